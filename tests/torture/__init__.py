"""Attacks on what the program promises: each seeded and bounded, short in the test suite, long by a command.

python -m tests.torture inputs              the long version of one attack
python -m tests.torture inputs --count 500 --seed 7
make torture                                all long versions
"""

"""Judging answers by a language model that is told nothing but the question, the prompt and the answer."""

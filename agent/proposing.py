"""The node that proposes: the built-in proposer and language models, in turns; candidates keep their origin."""

from agent import builtin
from agent.state import DiscoveryState
from agent.workbench import Workbench


def propose(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node. Language models come after what needs none, and are told what was proposed before them."""
    update = builtin.propose(state, bench)
    if not bench.settings.proposers:
        return update
    from agent.proposer import proposed_by
    from agent.racing import keep_for_report

    spent = state.get("spent") or keep_for_report(bench)
    merged: DiscoveryState = {**state, **update}
    said = list(merged.get("warnings", []))
    for spec in bench.settings.proposers:
        if spent:
            break
        bench.progress.stage(f"round {state['round']}: {spec} proposes")
        proposed = proposed_by(spec, merged, bench, merged["candidates"])
        merged["candidates"] = [*merged["candidates"], *proposed.candidates]
        said += proposed.said
        spent = proposed.spent
    update["candidates"], update["warnings"] = merged["candidates"], said
    return {**update, "spent": spent} if spent else update

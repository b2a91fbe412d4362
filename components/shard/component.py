"""KFP component of `shard`: materialises what was drawn and finds the equal manifests."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def shard(plan: str, draws: list, root: str, run: str) -> list:
    """Items: one JSON object a (realised manifest, model), with all that pretraining and sweeping need.

    Args:
        plan: URI of the plan.
        draws: What `sample` returned, one a draw.
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import shard, step

    here = step.place(root, run)
    return step.main(lambda: shard.run(plan, draws, here), "shard", here)

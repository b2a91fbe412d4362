"""KFP component of `pretrain`: one item, all its training seeds, in a process or job of its own."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("pretrain"), install_kfp_package=False)
def pretrain(item: dict, root: str, run: str) -> list:
    """Encoders: one JSON object a training seed, with the URI of its weights.

    Args:
        item: One of `shard`'s items.
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import launch, step

    here = step.place(root, run)
    return step.main(lambda: launch.run_stage("pretrain", here, {"item": item}), "pretrain", here)

"""KFP component of `sweep`: judges the encoders of one item, in a process or job of its own."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sweep"), install_kfp_package=False)
def sweep(item: dict, encoders: list, root: str, run: str) -> str:
    """URI of the folder with the scores (results.parquet).

    Args:
        item: One of `shard`'s items.
        encoders: What `pretrain` returned for it.
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import launch, step

    content = {"item": item, "encoders": encoders}
    here = step.place(root, run)
    return step.main(lambda: launch.run_stage("sweep", here, content), "sweep", here)

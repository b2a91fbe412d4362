"""KFP component of `sample`: draws one composition."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def sample(draw: dict, root: str, run: str) -> str:
    """The drawn manifest: JSON with its URI, composition and draw seed.

    Args:
        draw: One of `pool`'s draws.
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import sample, step

    here = step.place(root, run)
    return step.main(lambda: sample.run(draw, here), "sample", here)

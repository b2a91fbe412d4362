"""KFP component of `pool`: builds the pools of a study and lists what is to be drawn from them."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def pool(plan: str, root: str, run: str) -> list:
    """Draws: one JSON object a composition and draw seed, with the pool it is drawn from.

    Args:
        plan: URI of the plan.
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import pool, step

    here = step.place(root, run)
    return step.main(lambda: pool.run(plan, here), "pool", here)

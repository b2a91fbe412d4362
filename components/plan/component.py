"""KFP component of `plan`: a study file becomes the plan that every later step reads."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def plan(study: str, root: str, run: str) -> str:
    """URI of the plan: the validated study and the places of its tasks.

    Args:
        study: URI of the study file (YAML).
        root: URI under which every step is kept.
        run: Name of this run.
    """
    from geomix import plan, step, sweep

    here = step.place(root, run)
    return step.main(lambda: plan.run(study, here, sweep.preflight), "plan", here)

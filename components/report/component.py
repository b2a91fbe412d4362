"""KFP component of `report`: the answer, as a page and as tables."""

from kfp import dsl

from geomix_components.images import image


@dsl.component(base_image=image("sample"), install_kfp_package=False)
def report(plan: str, items: list, rows: list, root: str, run: str, page: dsl.Output[dsl.HTML]) -> str:
    """URI of the folder with report.html, summary.json and results.parquet.

    Args:
        plan: URI of the plan.
        items: What `shard` returned.
        rows: What `sweep` returned, one an item.
        root: URI under which every step is kept.
        run: Name of this run.
        page: The report, for the Kubeflow UI.
    """
    from geomix import report, step, store

    here = step.place(root, run)
    folder = step.main(lambda: report.run(plan, items[0]["labels"], rows, here), "report", here)
    with open(page.path, "wb") as file:
        file.write(store.read_bytes(store.join(folder, "report.html")))
    return folder

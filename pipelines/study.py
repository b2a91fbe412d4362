"""The DAG of a study: plan -> pool -> sample -> shard -> pretrain -> sweep -> report. The same for every study.

A loop's body uses its own item and the pipeline's parameters only: kfp.local (2.17) replaces every other outer value
by the loop's item. Hence items carry all that their steps need.
"""

from kfp import dsl

from geomix_components.plan.component import plan
from geomix_components.pool.component import pool
from geomix_components.pretrain.component import pretrain
from geomix_components.report.component import report
from geomix_components.sample.component import sample
from geomix_components.shard.component import shard
from geomix_components.sweep.component import sweep

PARALLEL_DRAWS = 8
PARALLEL_ITEMS = 16


def _step(task: dsl.PipelineTask) -> dsl.PipelineTask:
    # Our keys decide what is run again, not KFP's cache. One retry, for a lost pod: a permanent error.json fails at once.
    return task.set_caching_options(False).set_retry(num_retries=1, backoff_duration="1s", backoff_factor=1.0)


@dsl.pipeline(name="geomix", description="From which places on Earth should pretraining data come?")
def study_pipeline(study: str, root: str):
    """Runs one study.

    Args:
        study: URI of the study file (YAML).
        root: URI under which every step, result and report is kept.
    """
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    planned = _step(plan(study=study, root=root, run=run))
    pooled = _step(pool(plan=planned.output, root=root, run=run))
    with dsl.ParallelFor(pooled.output, parallelism=PARALLEL_DRAWS) as draw:
        sampled = _step(sample(draw=draw, root=root, run=run))
    sharded = _step(shard(plan=planned.output, draws=dsl.Collected(sampled.output), root=root, run=run))
    with dsl.ParallelFor(sharded.output, parallelism=PARALLEL_ITEMS) as item:
        pretrained = _step(pretrain(item=item, root=root, run=run))
        swept = _step(sweep(item=item, encoders=pretrained.output, root=root, run=run))
    _step(report(plan=planned.output, items=sharded.output, rows=dsl.Collected(swept.output), root=root, run=run))

"""`python -m geomix.pretrain --spec URI --out URI`: one item, in a process or job of its own."""

from geomix.launch.stage import stage_main
from geomix.pretrain import run

if __name__ == "__main__":
    stage_main("pretrain", lambda spec, place: run(spec["item"], place))

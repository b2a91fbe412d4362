"""`python -m geomix.sweep --spec URI --out URI`: what the component starts."""

from geomix.launch.stage import stage_main
from geomix.sweep import run

if __name__ == "__main__":
    stage_main("sweep", lambda spec, place: run(spec["item"], spec["encoders"], place))

"""References of the images that components run in, resolved when the pipeline is compiled."""

import os

VERSION = "0.1.0"


def image(target: str) -> str:
    """Reference of the image `target` (sample, pretrain or sweep).

    GEOMIX_IMAGE_PREFIX is a registry and path to put in front, GEOMIX_IMAGE_TAG a tag to use instead of the version.
    """
    return f"{os.environ.get('GEOMIX_IMAGE_PREFIX', '')}geomix-{target}:{os.environ.get('GEOMIX_IMAGE_TAG', VERSION)}"

"""geomix: from which places on Earth should the pretraining data of a geospatial foundation model come?"""

__version__ = "0.1.0"

"""KFP components: one a stage, thin sleeves round `geomix`. Only the standard library and kfp at module level."""

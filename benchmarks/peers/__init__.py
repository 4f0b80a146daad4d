"""How other projects check a depthwise convolution, coded in NumPy, and what their checks find among our fakes."""

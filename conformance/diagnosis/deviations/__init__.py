"""The library of named deviations: what a wrong layer may compute instead of what is documented.

Each is a change of the honest `Program`. A change of the linear map goes through to the gradients, as where they are
taken by its transpose; the same change in one gradient alone is a deviation of its own.
"""

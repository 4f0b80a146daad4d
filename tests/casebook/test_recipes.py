"""Recipes: arrays that fit the call, and stay what they were."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.recipes import RECIPES, SPECIAL, make_arrays
from depthwise_conformance.casebook.strategies import cases
from depthwise_conformance.reference import LayerConfig, output_shape

DTYPES = ("float16", "bfloat16", "float32", "float64")
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def digest(case: Case) -> str:
    arrays = make_arrays(case)
    parts = (arrays.x, arrays.kernel, arrays.bias, arrays.cotangent)
    return hashlib.sha256(b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts)).hexdigest()


# A change here changes what old case files and reports mean. Do not adapt; add a new recipe.

ARRAYS = {
    ("integers", "float16"): "215e96ccb3f148dc",
    ("integers", "bfloat16"): "2dff5f38fa0aca5e",
    ("integers", "float32"): "20c645dd30917608",
    ("integers", "float64"): "7db1933db637a667",
    ("uniform", "float16"): "7ad6066d374ca539",
    ("uniform", "bfloat16"): "39cbaa95ca4117bb",
    ("uniform", "float32"): "e4bbafd32e85cce3",
    ("uniform", "float64"): "7551bcef887ac505",
    ("normal", "float16"): "c1d81af4370ded39",
    ("normal", "bfloat16"): "ae87ad9366cb0ca7",
    ("normal", "float32"): "61425b4e5a703185",
    ("normal", "float64"): "beb855bf676ed29b",
    ("cancellation", "float16"): "a8894053a714ce3f",
    ("cancellation", "bfloat16"): "7454c76f10cb4d04",
    ("cancellation", "float32"): "a75e50fe48b7ea52",
    ("cancellation", "float64"): "9ad5a4d43b886318",
    ("wide", "float16"): "b7200494fcf1c5c7",
    ("wide", "bfloat16"): "86c0bc58ceb37378",
    ("wide", "float32"): "d7600626ea593341",
    ("wide", "float64"): "63f33dd9a136ef1a",
    ("impulses", "float16"): "554fefb2f1860aff",
    ("impulses", "bfloat16"): "d3357ae94206df9d",
    ("impulses", "float32"): "264d451084c46463",
    ("impulses", "float64"): "1f4502847496eb9f",
    ("zeros", "float16"): "60107be66c9efe4d",
    ("zeros", "bfloat16"): "60107be66c9efe4d",
    ("zeros", "float32"): "5560728cd337269a",
    ("zeros", "float64"): "e1e91f947f89bcac",
    ("underflow", "float16"): "5b69ee92e7aa2cc0",
    ("underflow", "bfloat16"): "48c31904c3e8a72d",
    ("underflow", "float32"): "badf55077bfda5de",
    ("underflow", "float64"): "3751309387034971",
    ("s0", "float16"): "aec7d9eaacf633c5",
    ("s0", "bfloat16"): "a7ebc1560b273b3c",
    ("s0", "float32"): "9fc33eaa988bf024",
    ("s0", "float64"): "9e1c33c37050c270",
    ("s1", "float16"): "0f20b4b6520201dc",
    ("s1", "bfloat16"): "633a71539598c9e6",
    ("s1", "float32"): "4e320460cf773298",
    ("s1", "float64"): "a92ab3c20ff4dcf7",
    ("s2", "float16"): "fbc3a657801c68ee",
    ("s2", "bfloat16"): "9dab18668c3fc425",
    ("s2", "float32"): "90e2e9b2edf14152",
    ("s2", "float64"): "d6f112312cca602a",
    ("s3", "float16"): "c11c6fb82333773b",
    ("s3", "bfloat16"): "c72119a67f776521",
    ("s3", "float32"): "03ff896fba6a8733",
    ("s3", "float64"): "ff8f1d76755dbd6e",
    ("s4", "float16"): "e8fb829577f7b6e2",
    ("s4", "bfloat16"): "0243e44effb0c50d",
    ("s4", "float32"): "2410aaf8ddc2118a",
    ("s4", "float64"): "0865a0bc094a198d",
    ("s5", "float16"): "e8bfbb06ab225639",
    ("s5", "bfloat16"): "28edc03bbcd634eb",
    ("s5", "float32"): "8c4331c0efc95d85",
    ("s5", "float64"): "ca161a192aafd2f2",
    ("special", "float16"): "24a26d8d10dbf64e",
    ("special", "bfloat16"): "8601f3ae80300e10",
    ("special", "float32"): "36d6903c4f22a4fd",
    ("special", "float64"): "d1b8cb79b346e288",
}


@pytest.mark.parametrize(("recipe", "dtype"), ARRAYS)
def test_arrays_stay_what_they_were(recipe, dtype):
    config = LayerConfig((3, 2), padding="same", depth_multiplier=2, dtype=dtype)
    assert digest(Case(config, (2, 5, 4, 3), Data(recipe, 7)))[:16] == ARRAYS[recipe, dtype]


def test_every_recipe_and_dtype_is_pinned():
    assert set(ARRAYS) == {(recipe, dtype) for recipe in RECIPES for dtype in DTYPES}


# What arrays are


@quick
@given(cases())
def test_arrays_are_those_of_the_call(case):
    arrays = make_arrays(case)
    channels = case.channels * case.config.depth_multiplier
    assert arrays.x.shape == case.input_shape
    assert arrays.kernel.shape == (*case.config.kernel_size, case.channels, case.config.depth_multiplier)
    assert arrays.cotangent.shape == output_shape(case.config, case.input_shape)
    assert (arrays.bias is not None) == case.config.use_bias
    given_arrays = [array for array in vars(arrays).values() if array is not None]
    assert {array.dtype.name for array in given_arrays} == {case.dtype}
    finite = all(np.isfinite(array.astype(np.float64)).all() for array in given_arrays)
    assert finite or case.data.recipe == SPECIAL
    assert arrays.bias is None or arrays.bias.shape == (channels,)


def test_the_seed_and_the_role_decide_the_numbers():
    arrays = make_arrays(Case(LayerConfig((3, 3)), (1, 3, 3, 1), Data("uniform", 0)))
    other = make_arrays(Case(LayerConfig((3, 3)), (1, 3, 3, 1), Data("uniform", 1)))
    flat = [array.reshape(-1).tolist() for array in (arrays.x, arrays.kernel, other.x, other.kernel)]
    assert len({tuple(numbers) for numbers in flat}) == 4

"""Convolutions that are fast on every platform, made of ordinary operations.

XLA on a CPU runs the kernel gradient of ``lax.conv`` inside a loop on one thread (jax issue 12868), about twenty times
slower than necessary; as one matrix product it is fast. On an accelerator the plain convolution is used. Nothing here
defines its own derivative, so ``jvp``, ``vjp``, ``vmap`` and Hessian products work.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(
    inputs: Float[Array, "n h w i"], kernel: Float[Array, "a b i o"], *, stride: int = 1, padding: int = 0
) -> Float[Array, "n x y o"]:
    """Convolution for evaluation, with a fast forward pass.

    Args:
      inputs: images, channels last.
      kernel: height, width, input channels, output channels.
      stride: step between windows, along both sides.
      padding: zeros on each of the four sides.
    """
    return jax.lax.conv_general_dilated(
        inputs,
        kernel,
        window_strides=(stride, stride),
        padding=((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def convolve_for_training(
    inputs: Float[Array, "n h w i"], kernel: Float[Array, "a b i o"], *, stride: int = 1, padding: int = 0
) -> Float[Array, "n x y o"]:
    """The same convolution for training, with a fast gradient with respect to the kernel."""
    product, plain = (partial(fn, stride=stride, padding=padding) for fn in (_convolve_by_product, convolve))
    return jax.lax.platform_dependent(inputs, kernel, cpu=product, default=plain)


def convolve_doubled(
    inputs: Float[Array, "n h w i"], kernel: Float[Array, "3 3 i o"], *, training: bool
) -> Float[Array, "n h2 w2 o"]:
    """The 3x3 convolution of images whose positions are each repeated 2x2, from 4/9 of its products.

    Of three neighbours of a repeated position two are the same one, so a window has four different positions, under
    sums of the kernel that depend on where in its 2x2 square the output stands.
    """
    n, height, width, channels = inputs.shape
    num_outputs = kernel.shape[-1]
    rows = jnp.moveaxis(_sums_of_taps(kernel), 2, 0)  # [3 columns, row in the square, row of the window, i, o]
    both = _sums_of_taps(rows)  # [column in the square, column of the window, row in the square, row of the window, ..]
    # Squares are put together backwards, so that a window's four outputs are neighbours: the last row and column of one
    # square and the first of the next.
    squares = both[::-1, :, ::-1].transpose(3, 1, 4, 2, 0, 5).reshape(2, 2, channels, 4 * num_outputs)
    convolution = convolve_for_training if training else convolve
    outputs = convolution(inputs, squares, padding=1).reshape(n, height + 1, width + 1, 2, 2, num_outputs)
    doubled = outputs.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * (height + 1), 2 * (width + 1), num_outputs)
    return doubled[:, 1:-1, 1:-1]


def _sums_of_taps(kernel: Array) -> Array:
    """Three taps of repeated positions are two of the original ones: [3, ...] -> [place in the pair, 2, ...]."""
    first, middle, last = kernel
    return jnp.stack([jnp.stack([first, middle + last]), jnp.stack([first + middle, last])])


def max_pool(inputs: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Maximum over windows of 2x2; an odd last row or column is ignored."""
    n, height, width, channels = inputs.shape
    even = inputs[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def _convolve_by_product(inputs: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    """One matrix product, with the kind of patches that takes less memory, since memory traffic dominates the time."""
    kernel_height, kernel_width, channels, num_outputs = kernel.shape
    inputs = jnp.pad(inputs, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    if kernel_height * kernel_width * channels <= kernel_width * channels + kernel_height * num_outputs:
        return _convolve_by_patches(inputs, kernel, stride)
    return _convolve_by_rows(inputs, kernel, stride)


def _convolve_by_patches(inputs: Array, kernel: Array, stride: int) -> Array:
    """Patches of the size of the kernel: best with few input channels."""
    kernel_height, kernel_width, _, num_outputs = kernel.shape
    n, height, width, _ = inputs.shape
    out_height, out_width = (height - kernel_height) // stride + 1, (width - kernel_width) // stride + 1
    across, down = (out_width - 1) * stride + 1, (out_height - 1) * stride + 1
    shifts = [(i, j) for i in range(kernel_height) for j in range(kernel_width)]
    patches = [inputs[:, i : i + down : stride, j : j + across : stride] for i, j in shifts]
    products = jnp.concatenate(patches, axis=-1).reshape(-1, kernel[..., 0].size) @ kernel.reshape(-1, num_outputs)
    return products.reshape(n, out_height, out_width, num_outputs)


def _convolve_by_rows(inputs: Array, kernel: Array, stride: int) -> Array:
    """Patches along the width only, one matrix product for all kernel rows, then a sum of shifted rows."""
    kernel_height, kernel_width, channels, num_outputs = kernel.shape
    n, height, width, _ = inputs.shape
    out_height, out_width = (height - kernel_height) // stride + 1, (width - kernel_width) // stride + 1
    across, down = (out_width - 1) * stride + 1, (out_height - 1) * stride + 1
    patches = jnp.concatenate([inputs[:, :, j : j + across : stride] for j in range(kernel_width)], axis=-1)
    rows = kernel.transpose(1, 2, 0, 3).reshape(kernel_width * channels, kernel_height * num_outputs)
    products = (patches.reshape(-1, kernel_width * channels) @ rows).reshape(
        n, height, out_width, kernel_height, num_outputs
    )
    return sum(
        (products[:, i : i + down : stride, :, i] for i in range(1, kernel_height)),
        start=products[:, :down:stride, :, 0],
    )

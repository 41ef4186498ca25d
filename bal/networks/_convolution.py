"""Convolutions that are fast on every platform, made of ordinary operations.

XLA on a CPU runs the kernel gradient of ``lax.conv`` inside a loop on one thread (jax issue 12868), some twenty times
slower than it could; as one matrix product it is fast. On an accelerator the plain convolution is right. Because
nothing here defines its own derivative, ``jvp``, ``vjp``, ``vmap`` and Hessian products work.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(inputs: Float[Array, "n h w i"], kernel: Float[Array, "a b i o"]) -> Float[Array, "n x y o"]:
    """Convolution with stride 1 and no padding, for evaluation: its forward pass is the fast one.

    Args:
      inputs: images, channels last.
      kernel: height, width, input channels, output channels.
    """
    return jax.lax.conv_general_dilated(
        inputs, kernel, window_strides=(1, 1), padding="VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve_for_training(inputs: Float[Array, "n h w i"], kernel: Float[Array, "a b i o"]) -> Float[Array, "n x y o"]:
    """The same convolution, for training: its gradient with respect to the kernel is the fast one."""
    return jax.lax.platform_dependent(inputs, kernel, cpu=_convolve_by_product, default=convolve)


def max_pool(inputs: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Maximum over windows of 2x2; an odd last row or column is left out."""
    n, height, width, channels = inputs.shape
    even = inputs[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def _convolve_by_product(inputs: Array, kernel: Array) -> Array:
    """One matrix product, of whichever patches are smaller in memory, which is what takes the time."""
    kernel_height, kernel_width, channels, num_outputs = kernel.shape
    if kernel_height * kernel_width * channels <= kernel_width * channels + kernel_height * num_outputs:
        return _convolve_by_patches(inputs, kernel)
    return _convolve_by_rows(inputs, kernel)


def _convolve_by_patches(inputs: Array, kernel: Array) -> Array:
    """Patches of the size of the kernel: best where there are few input channels."""
    kernel_height, kernel_width, _, num_outputs = kernel.shape
    n, height, width, _ = inputs.shape
    out_height, out_width = height - kernel_height + 1, width - kernel_width + 1
    shifts = [(i, j) for i in range(kernel_height) for j in range(kernel_width)]
    patches = jnp.concatenate([inputs[:, i : i + out_height, j : j + out_width] for i, j in shifts], axis=-1)
    products = patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, num_outputs)
    return products.reshape(n, out_height, out_width, num_outputs)


def _convolve_by_rows(inputs: Array, kernel: Array) -> Array:
    """Patches along the width only, one matrix product for all kernel rows, then a sum of shifted rows."""
    kernel_height, kernel_width, channels, num_outputs = kernel.shape
    n, height, width, _ = inputs.shape
    out_height, out_width = height - kernel_height + 1, width - kernel_width + 1
    patches = jnp.concatenate([inputs[:, :, j : j + out_width] for j in range(kernel_width)], axis=-1)
    rows = kernel.transpose(1, 2, 0, 3).reshape(kernel_width * channels, kernel_height * num_outputs)
    products = (patches.reshape(-1, kernel_width * channels) @ rows).reshape(
        n, height, out_width, kernel_height, num_outputs
    )
    return sum(
        (products[:, i : i + out_height, :, i] for i in range(1, kernel_height)), start=products[:, :out_height, :, 0]
    )

"""Count what Stable Diffusion inpainting computes, and how long a data set of any size takes.

    python tests/benchmarks/bench_scale.py

Nothing is timed: the networks of Stable Diffusion 1.5 inpainting are built without weights and
their floating-point operations are counted by PyTorch. A result costs ``num_inference_steps``
passes of the UNet, two for each with guidance, and encoding and decoding twice, once for the
result and once for the round trip beside it. Hours follow from the rate that a GPU achieves,
which is a third to a half of what its data sheet says.
"""

import measure

PHOTOGRAPHS = 70_000
STEPS = 50
SIDES = (256, 512, 1024)
ACHIEVED_TFLOPS = (50, 100, 300)
GPUS = (1, 8, 32)


def main() -> None:
    options = measure.arguments(__doc__)
    tera = {side: per_result(side) for side in SIDES}
    print(f"{'side':>6}{'TFLOP':>9}{'TFLOP/s':>10}" + "".join(f"{n:>6} GPUs" for n in GPUS))
    hours = {}
    for side, cost in tera.items():
        for rate in ACHIEVED_TFLOPS:
            alone = PHOTOGRAPHS * cost / rate / 3600
            hours[f"{side}, {rate} TFLOP/s"] = {str(count): alone / count for count in GPUS}
            cells = "".join(f"{alone / count:>9.1f} h" for count in GPUS)
            print(f"{side:>6}{cost:>9.1f}{rate:>10}{cells}")
    report = {"photographs": PHOTOGRAPHS, "steps": STEPS, "tera_operations_a_result": tera}
    report |= {"hours": hours, "machine": measure.machine("torch", "diffusers")}
    measure.write(options.output, "scale", report)


def per_result(side: int) -> float:
    """10¹² floating-point operations for one result of ``side``×``side`` pixels."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    latent = side // 8
    with torch.device("meta"):
        unet = UNet2DConditionModel(in_channels=9, cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        step = operations(unet, torch.empty(1, 9, latent, latent), 1, torch.empty(1, 77, 768))
        encode = operations(vae.encode, torch.empty(1, 3, side, side))
        decode = operations(vae.decode, torch.empty(1, 4, latent, latent))
    return (2 * STEPS * step + 2 * encode + 2 * decode) / 1e12


def operations(function, *inputs) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops()


if __name__ == "__main__":
    main()

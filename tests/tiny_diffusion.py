"""Small random text-to-image pipelines, saved as on the hub: 32 pixels a side in a few milliseconds."""

import diffusers
import torch
import transformers

from tiny_models import clip_tokenizer

LENGTH = 24  # tokens of a prompt
TEXT = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}


def _shared(width):
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    tokenizer.model_max_length = LENGTH
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = transformers.CLIPTextConfig(
        **TEXT, **ids, pad_token_id=0, vocab_size=len(tokenizer), max_position_embeddings=LENGTH, projection_dim=32
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )
    unet = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 16,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": width,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
    }
    return tokenizer, text, vae, unet


def write_stable_diffusion(folder, checked=False, spoil=None):
    """Save a pipeline of Stable Diffusion 1's kind; ``checked`` by a safety checker that blocks every picture."""
    tokenizer, text, vae, unet = _shared(32)
    with torch.no_grad():
        if spoil == "not finite":
            vae.decoder.conv_out.bias.fill_(torch.nan)
        if spoil == "blank":
            vae.decoder.conv_out.weight.zero_()
    checker = None
    if checked:
        vision = {**TEXT, "image_size": 32, "patch_size": 8}
        config = transformers.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=32)
        checker = diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker(config)
        checker.concept_embeds_weights.data.fill_(-2)  # no cosine is that low
    diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=diffusers.UNet2DConditionModel(**unet),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=checker,
        feature_extractor=transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
        requires_safety_checker=checked,
    ).save_pretrained(folder)
    return folder


def write_sdxl(folder):
    """Save a pipeline of SDXL-Turbo's kind: two text encoders, and a scheduler that adds noise at each step."""
    tokenizer, text, vae, unet = _shared(64)
    more = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "use_linear_projection": True}
    diffusers.StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=diffusers.UNet2DConditionModel(**unet, **more, projection_class_embeddings_input_dim=80),
        scheduler=diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder

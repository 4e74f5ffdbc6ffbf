//! Color spaces of photos: conversion to sRGB, which the networks need, and back.

use std::fmt;
use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ProfileClass, RenderingIntent, TransformF32Executor,
    TransformOptions,
};

/// Colors converted at once.
const BATCH: usize = 4096;
/// A profile is sRGB if no color of a grid differs by more than this after conversion, on a scale from 0 to 1.
const SRGB_TOLERANCE: f32 = 0.75 / 255.0;

/// The color space of a photo's pixels: sRGB, or that of an ICC profile.
#[derive(Clone, Default)]
pub struct ColorSpace {
    /// The profile, as it is stored in files.
    icc: Option<Arc<[u8]>>,
    /// None if the space is sRGB.
    transforms: Option<Transforms>,
}

#[derive(Clone)]
struct Transforms {
    to_srgb: Arc<TransformF32Executor>,
    /// None if the profile describes only one way.
    from_srgb: Option<Arc<TransformF32Executor>>,
}

impl fmt::Debug for ColorSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.icc.as_ref().map_or(0, |icc| icc.len());
        write!(f, "ColorSpace {{ icc: {bytes} bytes, srgb: {} }}", self.is_srgb())
    }
}

/// The bytes of a profile, dated 2000-01-01 instead of now: equal runs write equal files.
fn encode(profile: &ColorProfile) -> Option<Arc<[u8]>> {
    let mut icc = profile.encode().ok()?;
    icc.get_mut(24..36)?.copy_from_slice(&[0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    Some(icc.into())
}

impl ColorSpace {
    /// sRGB with a profile that files are tagged with. The default is sRGB without a profile.
    pub fn srgb() -> ColorSpace {
        ColorSpace { icc: encode(&ColorProfile::new_srgb()), transforms: None }
    }

    /// The color space of an ICC profile. `gray`: whether the pixels have one color channel.
    ///
    /// # Errors
    /// The reason, if the profile is damaged or describes other pixels, such as CMYK.
    pub fn from_icc(icc: &[u8], gray: bool) -> Result<ColorSpace, String> {
        let profile = ColorProfile::new_from_slice(icc).map_err(|e| format!("it cannot be read ({e})"))?;
        let space = ColorSpace::from_profile(profile, gray)?;
        Ok(ColorSpace { icc: Some(icc.into()), ..space })
    }

    /// As [`ColorSpace::from_icc`], for a profile that is not in a file. [`ColorSpace::icc`] is its encoding.
    pub(super) fn from_profile(profile: ColorProfile, gray: bool) -> Result<ColorSpace, String> {
        let expected = if gray { DataColorSpace::Gray } else { DataColorSpace::Rgb };
        if profile.color_space != expected {
            return Err(format!("it is for {:?} pixels, but these are {expected:?}", profile.color_space));
        }
        if matches!(
            profile.profile_class,
            ProfileClass::DeviceLink | ProfileClass::Abstract | ProfileClass::Named
        ) {
            return Err("it is not the profile of a picture".into());
        }
        let icc = encode(&profile);
        let rgb = if gray { gray_as_rgb(&profile)? } else { profile };
        let srgb = ColorProfile::new_srgb();
        let to_srgb = transform(&rgb, &srgb)?;
        let from_srgb = transform(&srgb, &rgb).ok();
        let mut space = ColorSpace { icc, transforms: Some(Transforms { to_srgb, from_srgb }) };
        if space.equals_srgb() {
            space.transforms = None;
        }
        Ok(space)
    }

    /// Converts 8-bit CMYK pixels, from 0 (no ink) to 255, to sRGB through a profile.
    ///
    /// # Errors
    /// The reason, if the profile is not usable for CMYK.
    pub(super) fn cmyk_to_srgb(icc: &[u8], cmyk: &[u8]) -> Result<Vec<u8>, String> {
        let profile = ColorProfile::new_from_slice(icc).map_err(|e| format!("it cannot be read ({e})"))?;
        if profile.color_space != DataColorSpace::Cmyk {
            return Err(format!("it is for {:?} pixels, but these are CMYK", profile.color_space));
        }
        let transform = profile
            .create_transform_8bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options())
            .map_err(|e| format!("it cannot be used ({e})"))?;
        let mut rgb = vec![0; cmyk.len() / 4 * 3];
        transform.transform(cmyk, &mut rgb).map_err(|e| format!("it cannot be used ({e})"))?;
        Ok(rgb)
    }

    /// The ICC profile; `None` for sRGB without a profile.
    pub fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    /// Whether colors need no conversion.
    pub fn is_srgb(&self) -> bool {
        self.transforms.is_none()
    }

    /// Whether sRGB can be converted to this space. If not, pixels can only be read.
    pub fn is_writable(&self) -> bool {
        self.transforms.as_ref().is_none_or(|t| t.from_srgb.is_some())
    }

    /// Converts colors of this space to sRGB. Both are in `[-1,1]`; values out of range are clamped.
    pub(crate) fn to_srgb(&self, colors: &mut [[f32; 3]]) {
        if let Some(transforms) = &self.transforms {
            convert(&*transforms.to_srgb, colors);
        }
    }

    /// Converts sRGB colors to this space. Both are in `[-1,1]`; values out of range are clamped.
    pub(crate) fn convert_from_srgb(&self, colors: &mut [[f32; 3]]) {
        if let Some(from_srgb) = self.transforms.as_ref().and_then(|t| t.from_srgb.as_ref()) {
            convert(&**from_srgb, colors);
        }
    }

    fn equals_srgb(&self) -> bool {
        const STEPS: usize = 9;
        let level = |i: usize| i as f32 / (STEPS - 1) as f32 * 2.0 - 1.0;
        let grid: Vec<[f32; 3]> = (0..STEPS.pow(3))
            .map(|i| [level(i % STEPS), level(i / STEPS % STEPS), level(i / STEPS / STEPS)])
            .collect();
        let mut converted = grid.clone();
        self.to_srgb(&mut converted);
        let close = |(a, b): (&[f32; 3], &[f32; 3])| {
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2.0 * SRGB_TOLERANCE)
        };
        grid.iter().zip(&converted).all(close)
    }
}

/// A profile for RGB that gives gray pixels, repeated in all channels, the colors of a gray profile.
fn gray_as_rgb(gray: &ColorProfile) -> Result<ColorProfile, String> {
    let curve = gray.gray_trc.clone().ok_or("it has no curve for gray")?;
    let mut rgb = ColorProfile::new_srgb();
    rgb.cicp = None;
    (rgb.red_trc, rgb.green_trc, rgb.blue_trc) = (Some(curve.clone()), Some(curve.clone()), Some(curve));
    Ok(rgb)
}

fn options() -> TransformOptions {
    TransformOptions {
        // The only intent for which every profile with tables has some.
        rendering_intent: RenderingIntent::Perceptual,
        prefer_fixed_point: false,
        ..TransformOptions::default()
    }
}

fn transform(from: &ColorProfile, to: &ColorProfile) -> Result<Arc<TransformF32Executor>, String> {
    from.create_transform_f32(Layout::Rgb, to, Layout::Rgb, options())
        .map_err(|e| format!("it cannot be used ({e})"))
}

fn convert(transform: &TransformF32Executor, colors: &mut [[f32; 3]]) {
    let mut scaled = Vec::with_capacity(3 * BATCH.min(colors.len()));
    for batch in colors.chunks_mut(BATCH) {
        scaled.clear();
        scaled.extend(batch.as_flattened().iter().map(|v| ((v + 1.0) / 2.0).clamp(0.0, 1.0)));
        let mut out = vec![0.0; scaled.len()];
        if let Err(e) = transform.transform(&scaled, &mut out) {
            // Both slices are whole RGB pixels of the same number.
            log::error!("colors are not converted: {e}");
            return;
        }
        for (to, from) in batch.as_flattened_mut().iter_mut().zip(out) {
            *to = if from.is_finite() { from.clamp(0.0, 1.0) * 2.0 - 1.0 } else { -1.0 };
        }
    }
}

#[cfg(test)]
mod tests;

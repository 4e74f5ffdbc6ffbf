//! Conversion between color spaces.

use super::*;

fn space(profile: ColorProfile) -> ColorSpace {
    ColorSpace::from_icc(&profile.encode().unwrap(), false).unwrap()
}

/// The sRGB value of a color, both 0 to 255.
fn srgb(space: &ColorSpace, color: [f32; 3]) -> [f32; 3] {
    let mut colors = [color.map(|v| v / 127.5 - 1.0)];
    space.to_srgb(&mut colors);
    colors[0].map(|v| (v + 1.0) * 127.5)
}

fn assert_close(a: [f32; 3], b: [f32; 3], tolerance: f32) {
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance), "{a:?} is not {b:?}");
}

#[test]
fn known_colors_of_wide_gamuts() {
    // Display P3 (200, 120, 90) and Adobe RGB (120, 150, 90), computed from the primaries in double precision.
    assert_close(
        srgb(&space(ColorProfile::new_display_p3()), [200.0, 120.0, 90.0]),
        [213.0, 115.0, 82.8],
        0.3,
    );
    assert_close(
        srgb(&space(ColorProfile::new_adobe_rgb()), [120.0, 150.0, 90.0]),
        [105.4, 151.4, 85.6],
        0.3,
    );
    // An sRGB profile needs no conversion.
    assert!(space(ColorProfile::new_srgb()).is_srgb() && ColorSpace::srgb().is_srgb());
}

#[test]
fn conversion_there_and_back_is_accurate() {
    for profile in [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb()] {
        let space = space(profile);
        // Inside the gamut of sRGB.
        let colors = [[0.1, -0.2, 0.3], [-0.8, -0.75, -0.7], [0.9, 0.9, 0.9], [-1.0; 3], [1.0; 3]];
        let mut converted = colors;
        space.to_srgb(&mut converted);
        space.convert_from_srgb(&mut converted);
        for (a, b) in converted.into_iter().zip(colors) {
            assert_close(a, b, 1.0 / 2048.0);
        }
    }
}

#[test]
fn gray_profiles_keep_gray() {
    let gamma = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let linear = ColorSpace::from_icc(&gamma, true).unwrap();
    let [r, g, b] = srgb(&linear, [55.0; 3]);
    // 55/255 of linear light is 128.0 in sRGB.
    assert!((r - 128.0).abs() < 0.6 && (r - g).abs() < 0.05 && (r - b).abs() < 0.05, "{r} {g} {b}");
}

#[test]
fn unfit_profiles_give_the_reason() {
    let gray = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    let rgb = ColorProfile::new_adobe_rgb().encode().unwrap();
    assert!(ColorSpace::from_icc(&gray, false).unwrap_err().contains("Gray"));
    assert!(ColorSpace::from_icc(&rgb, true).unwrap_err().contains("Rgb"));
    assert!(ColorSpace::from_icc(b"not a profile", false).unwrap_err().contains("cannot be read"));
    assert!(ColorSpace::cmyk_to_srgb(&rgb, &[0; 8]).unwrap_err().contains("CMYK"));
}

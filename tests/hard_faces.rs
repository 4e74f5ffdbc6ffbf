//! Small faces in large photos, and turned photos: the alignment agrees with that of the original photo.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use gani_core::face::{Alignment, FaceFinder};
use gani_core::photo::Photo;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// The width of the face in `astronaut.png`, in pixels.
const FACE: f64 = 89.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn finder() -> FaceFinder {
    let runtime =
        Runtime::load(&RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, ..Default::default() })
            .unwrap();
    let net = |name: &str| std::fs::read(root().join("models/common").join(name)).unwrap();
    FaceFinder::new(&runtime, &net("blazeface.onnx"), &net("facemesh.onnx")).unwrap()
}

fn astronaut() -> RgbImage {
    image::open(root().join("tests/data/astronaut.png")).unwrap().to_rgb8()
}

/// The alignments in a picture, and the seconds that it took.
fn alignments(finder: &FaceFinder, pixels: RgbImage) -> (Vec<Alignment>, f64) {
    let photo = Photo::from_pixels(Path::new("test.png"), pixels.into());
    let start = Instant::now();
    let faces = finder.faces(&photo, &Cancel::new()).unwrap();
    (faces.iter().map(|face| face.alignment).collect(), start.elapsed().as_secs_f64())
}

/// Distance of the centers as a fraction of the side, ratio of the sides, difference of the angles in degrees.
fn compare(found: &Alignment, expected: &Alignment) -> (f64, f64, f64) {
    let angle = |a: &Alignment| (a.quad[3][1] - a.quad[0][1]).atan2(a.quad[3][0] - a.quad[0][0]).to_degrees();
    let ([x, y], [ex, ey]) = (found.center(), expected.center());
    let turn = (angle(found) - angle(expected) + 180.0).rem_euclid(360.0) - 180.0;
    let side = expected.side_length();
    ((x - ex).hypot(y - ey) / side, found.side_length() / side, turn)
}

fn assert_agrees(name: &str, found: &[Alignment], expected: &Alignment, degrees: f64) {
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    let (center, side, turn) = compare(&found[0], expected);
    println!("{name}: center {center:.3}, side {side:.3}, angle {turn:.2}°");
    assert!(
        center < 0.03 && (side - 1.0).abs() < 0.06 && turn.abs() < degrees,
        "{name}: {center} {side} {turn}"
    );
}

#[test]
fn small_faces_in_large_photos_are_aligned() {
    let finder = finder();
    let (original, seconds) = alignments(&finder, astronaut());
    println!("512 × 512: {seconds:.2} s");
    for (face, [width, height], [left, top]) in [
        (40.0, [4000, 3000], [1500, 2020]),
        (60.0, [4000, 3000], [2900, 1710]),
        (60.0, [512, 15_000], [90, 11_300]),
        (90.0, [6000, 4000], [1230, 2222]),
    ] {
        let scale = face / FACE;
        let side = (512.0 * scale) as u32;
        let small = imageops::resize(&astronaut(), side, side, FilterType::CatmullRom);
        let mut large = RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x / 40 % 60) as u8 + 90, (y / 50 % 40) as u8 + 100, 110])
        });
        imageops::replace(&mut large, &small, left, top);
        let scale = f64::from(side) / 512.0;
        let expected = Alignment {
            quad: original[0].quad.map(|[x, y]| [x * scale + left as f64, y * scale + top as f64]),
        };
        let (found, seconds) = alignments(&finder, large);
        println!("{face} px in {width} × {height}: {seconds:.2} s, {} faces", found.len());
        assert_agrees(&format!("{face} px in {width} × {height}"), &found, &expected, 2.0);
    }
}

#[test]
fn turned_photos_are_aligned_upright() {
    let finder = finder();
    let photo = astronaut();
    let (original, _) = alignments(&finder, photo.clone());
    let quad = original[0].quad;
    // Where a point of the photo is after the turn.
    type Turn = fn([f64; 2]) -> [f64; 2];
    let turns: [(&str, RgbImage, Turn); 3] = [
        ("90°", imageops::rotate90(&photo), |[x, y]| [512.0 - y, x]),
        ("180°", imageops::rotate180(&photo), |[x, y]| [512.0 - x, 512.0 - y]),
        ("270°", imageops::rotate270(&photo), |[x, y]| [y, 512.0 - x]),
    ];
    for (name, pixels, turn) in turns {
        let (found, seconds) = alignments(&finder, pixels);
        println!("{name}: {seconds:.2} s");
        assert_agrees(name, &found, &Alignment { quad: quad.map(turn) }, 2.0);
    }
}

/// BlazeFace scores a face that lies on its side as high as an upright one, so its score alone does not tell the orientation.
#[test]
fn faces_at_any_angle_are_aligned_upright() {
    let finder = finder();
    let photo = astronaut();
    let (original, _) = alignments(&finder, photo.clone());
    for degrees in (15..360).step_by(30) {
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        let to_turned = |[x, y]: [f64; 2]| {
            let (x, y) = (x - 256.0, y - 256.0);
            [x * cos - y * sin + 400.0, x * sin + y * cos + 400.0]
        };
        let turned = RgbImage::from_fn(800, 800, |x, y| {
            let (x, y) = (f64::from(x) - 399.5, f64::from(y) - 399.5);
            let (x, y) = (x * cos + y * sin + 255.5, y * cos - x * sin + 255.5);
            let inside = (0.0..511.0).contains(&x) && (0.0..511.0).contains(&y);
            if inside {
                imageops::interpolate_bilinear(&photo, x as f32, y as f32).unwrap()
            } else {
                Rgb([90; 3])
            }
        });
        let (found, _) = alignments(&finder, turned);
        let expected = Alignment { quad: original[0].quad.map(to_turned) };
        assert_agrees(&format!("{degrees}°"), &found, &expected, 3.0);
    }
}

#[test]
fn all_faces_of_a_group_are_found() {
    let finder = finder();
    let (original, _) = alignments(&finder, astronaut());
    let mut group = RgbImage::from_pixel(1536, 1100, Rgb([90, 100, 110]));
    let places = [(0, 0, 1.0), (520, 40, 1.0), (1050, 300, 0.8), (40, 560, 1.0), (700, 620, 0.6)];
    for (left, top, scale) in places {
        let side = (512.0 * scale) as u32;
        let small = imageops::resize(&astronaut(), side, side, FilterType::CatmullRom);
        imageops::replace(&mut group, &small, left, top);
    }
    let (found, _) = alignments(&finder, group);
    assert_eq!(found.len(), places.len(), "{found:?}");
    for (left, top, scale) in places {
        let to_group = |[x, y]: [f64; 2]| [x * scale + left as f64, y * scale + top as f64];
        let expected = Alignment { quad: original[0].quad.map(to_group) };
        let near = |a: &&Alignment| compare(a, &expected).0 < 0.2;
        let found: Vec<_> = found.iter().filter(near).copied().collect();
        assert_agrees(&format!("{left}, {top}"), &found, &expected, 2.0);
    }
}

/// A sheared photo: the eyes stay level, but the mouth is not below them. No roll describes that face.
#[test]
fn a_face_with_doubtful_landmarks_is_refused_with_the_reason() {
    let (finder, photo) = (finder(), astronaut());
    let sheared = |shear: f32| {
        RgbImage::from_fn(1100, 512, |x, y| {
            let x = x as f32 - 300.0 - shear * (y as f32 - 120.0);
            let inside = (0.0..511.0).contains(&x);
            let pixel = || imageops::interpolate_bilinear(&photo, x, y as f32).unwrap();
            if inside { pixel() } else { Rgb([90; 3]) }
        })
    };
    let usable = |pixels: RgbImage| {
        let photo = Photo::from_pixels(Path::new("sheared.png"), pixels.into());
        finder.usable_faces(&photo, &Cancel::new())
    };
    assert_eq!(usable(sheared(0.0)).unwrap().len(), 1);
    // Between a shear that is still a face and one that is none, landmarks are doubtful.
    let refused = (70..90).step_by(2).map(|percent| percent as f32 / 100.0).find_map(|shear| {
        let error = usable(sheared(shear)).err()?;
        Some(error.to_string())
    });
    let text = refused.expect("no shear is refused");
    assert!(text.contains("sheared.png") && text.contains("disagree about its orientation"), "{text}");
}

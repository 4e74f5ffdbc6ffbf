//! The example of the README: open a model, invert a photo, edit, paste, save.
#![allow(missing_docs)]

use gani_core::face_session::FaceSession;
use gani_core::inversion::Inversion;
use gani_core::invert::Stage;
use gani_core::runtime::DeviceChoice;
use gani_core::{Edit, Model, Photo, Preset, Progress};
use std::path::Path;

/// The progress events that have a fixed order.
#[derive(Debug, PartialEq)]
enum Event {
    Begin(Stage),
    Step(Stage, usize, usize),
}

#[test]
fn readme_example_edits_the_face_and_nothing_else() {
    let model = Model::builder().device(DeviceChoice::Cpu).open("ffhq-64").unwrap();
    let mut photo = Photo::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/astronaut.png")).unwrap();
    let original = photo.clone();
    let mut settings = model.settings(Preset::Fast.method(), Preset::Fast, None).unwrap();
    settings.refine.set_steps(2);
    settings.tune.iterations = 3;
    let (mut events, mut estimates) = (Vec::new(), 0);
    let inverter =
        model.inverter().preset(Preset::Fast).settings(settings).on_progress(|event| match event {
            Progress::Begin(stage) => events.push(Event::Begin(stage)),
            Progress::Step { stage, step, steps, loss, .. } => {
                assert!(loss.is_finite() && loss > 0.0, "loss {loss} of step {step}");
                events.push(Event::Step(stage, step, steps));
            }
            Progress::Eta(_) => estimates += 1,
            Progress::Preview(_) => panic!("a preview although previews are off"),
        });
    let face = inverter.invert(&photo).unwrap();
    check_events(&events);
    assert_eq!((estimates, face.from_cache), (1, false));

    let edits = [Edit::new("age", 2.0)];
    let image = face.image(&edits).unwrap();
    assert_eq!(image.dim(), (1, 3, 64, 64));
    assert_ne!(image, face.image(&[]).unwrap(), "the edit has no effect");

    let region = face.paste(&edits, &mut photo).unwrap();
    let (before, after) = (original.pixels.to_rgb8(), photo.pixels.to_rgb8());
    let mut changed = 0;
    for (x, y, pixel) in after.enumerate_pixels() {
        if before.get_pixel(x, y) != pixel {
            let inside = (region.x..region.x + region.width).contains(&x)
                && (region.y..region.y + region.height).contains(&y);
            assert!(inside, "pixel {x},{y} outside {region:?} changed");
            changed += 1;
        }
    }
    assert!(changed > 1000, "{changed} pixels changed");
    assert!(region.width < 400 && region.height < 400, "the face is 178 px wide; {region:?} changed");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("older.png");
    photo.save(&file).unwrap();
    assert_eq!(Photo::open(&file).unwrap().pixels, photo.pixels);

    // The inversion file renders the same image.
    let file = folder.path().join("face.safetensors");
    face.inversion.save(&file).unwrap();
    let reopened = FaceSession::open(&model, Inversion::open(&file).unwrap()).unwrap();
    assert_eq!(reopened.image(&edits).unwrap(), image);
}

fn check_events(events: &[Event]) {
    let expected = [
        Event::Begin(Stage::Find),
        Event::Begin(Stage::Prepare),
        Event::Begin(Stage::Refine),
        Event::Step(Stage::Refine, 1, 2),
        Event::Step(Stage::Refine, 2, 2),
        Event::Begin(Stage::Tune),
        Event::Step(Stage::Tune, 1, 3),
        Event::Step(Stage::Tune, 2, 3),
        Event::Step(Stage::Tune, 3, 3),
        Event::Begin(Stage::Finish),
    ];
    assert_eq!(events, expected);
}

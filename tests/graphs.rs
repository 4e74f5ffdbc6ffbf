//! `graphs::of_bundle` names what inversions run, no more and no less: what `cargo xtask check-cuda` places is all there is.
#![allow(missing_docs)]

use gani_core::bundle::Bundle;
use gani_core::edit::generator::Generator;
use gani_core::invert::{CropSource, InvertOptions, invert};
use gani_core::model::Model;
use gani_core::report::graphs;
use gani_core::runtime::{Cancel, Device, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::Method;
use gani_core::settings::Preset;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Sessions that were made, as the runtime's log tells: `loss gradient: session of 123 bytes made in 4 ms`.
static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, record: &log::Metadata<'_>) -> bool {
        record.target() == "gani_core::runtime"
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if let Some((name, _)) = text.split_once(": session of ").filter(|_| self.enabled(record.metadata()))
        {
            MADE.lock().unwrap().insert(name.to_owned());
        }
    }

    fn flush(&self) {}
}

#[test]
fn the_list_of_graphs_is_what_inversions_run() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    log::set_logger(&Listener).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let model = Model::open("ffhq-64", runtime).unwrap();
    let cancel = Cancel::new();
    let ws = model.sample(5, 0.7, &cancel).unwrap();
    let face = Generator::untuned(&model).unwrap().image(ws.view(), &cancel).unwrap();
    let crop = gani_core::metrics::resize(face.view(), 256, 256);
    let mut last = None;
    for method in [Method::Gani, Method::Direct, Method::Pti, Method::WPlus] {
        let mut options = InvertOptions::new(&model, Preset::Best).unwrap();
        options.method = method;
        let settings = &mut options.settings;
        (settings.refine.steps_w, settings.refine.steps_w_plus) = (1, 0);
        (settings.tune.iterations, settings.pti.iterations, settings.project.steps) = (1, 1, 1);
        last = Some(invert(&model, crop.view(), CropSource::default(), &options, &cancel, |_| {}).unwrap());
    }
    let inverted = last.unwrap();
    Generator::tuned(&model, &inverted.inversion).unwrap();
    model.measure_at_full_resolution(face.view(), face.view(), &cancel).unwrap();

    let listed = graphs::of_bundle(&Bundle::open("ffhq-64").unwrap(), Preset::Best, Device::Cpu).unwrap();
    let listed: BTreeSet<String> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(*MADE.lock().unwrap(), listed);
}

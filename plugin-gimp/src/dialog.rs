//! The dialog: the face on the left, sliders and settings on the right; the face follows the sliders.
//!
//! GIMP's own dialog makes the rows, remembers their values and resets them. A timer on the main thread compares them
//! with what the worker was last asked, and shows what the worker tells.

mod widgets;

use crate::host::Host;
use crate::host::handles::Config;
use crate::procedure::{Argument, Call, Stop, sentence};
use crate::settings::Settings;
use crate::worker::{News, Order, View, Worker};
use gani_core::Error;
use gani_core::edit::Edit;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use widgets::{Toolkit, Widgets};

/// What a procedure's dialog shows.
pub struct Layout {
    /// Its title.
    pub title: &'static CStr,
    /// Rows for the edit.
    pub edits: &'static [&'static [Argument]],
    /// Rows for everything else, below the list of models.
    pub settings: &'static [&'static [Argument]],
    /// The edits that the preview shows.
    pub preview: fn(Host, Config) -> Result<Vec<Edit>, Stop>,
}

/// Shows the dialog until it is confirmed, and returns the worker, which by then knows the face.
///
/// # Errors
/// [`Stop::Cancelled`] by the user.
pub fn ask(call: &Call, layout: &Layout) -> Result<Worker, Stop> {
    let toolkit = Toolkit::open(call.host, call.config).map_err(Stop::Failed)?;
    let worker = Worker::start(call.picture()?);
    let widgets = Widgets::build(&toolkit, call, layout).ok_or(Stop::Failed("GTK made no dialog".into()))?;
    let panel = Panel {
        host: call.host,
        config: call.config,
        layout,
        toolkit: &toolkit,
        widgets: &widgets,
        worker: &worker,
        stage: Cell::new(Stage::Idle),
        asked: RefCell::default(),
        shown: RefCell::default(),
        original: RefCell::default(),
        edited: RefCell::default(),
    };
    let confirmed = widgets.run(&toolkit, &panel);
    if confirmed { Ok(worker) } else { Err(Stop::Cancelled) }
}

/// Where the work is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing can be done with these settings, or nothing was asked yet.
    Idle,
    /// The face is looked for.
    Finding,
    /// It is found, and has not been inverted.
    Found,
    /// It is being inverted.
    Inverting,
    /// It is ready for sliders.
    Ready,
    /// It is being shown with edits.
    Showing,
}

/// A dialog on the screen.
struct Panel<'a> {
    host: Host,
    config: Config,
    layout: &'a Layout,
    toolkit: &'a Toolkit,
    widgets: &'a Widgets,
    worker: &'a Worker,
    stage: Cell<Stage>,
    /// The settings that the worker knows.
    asked: RefCell<Option<Settings>>,
    /// The edits that it was last asked to show.
    shown: RefCell<Option<Vec<Edit>>>,
    original: RefCell<Option<View>>,
    edited: RefCell<Option<View>>,
}

impl Panel<'_> {
    /// Called many times a second.
    fn tick(&self) {
        loop {
            match self.worker.news() {
                Ok(Some(news)) => self.hear(news),
                Ok(None) => break,
                Err(Stop::Failed(text)) => return self.status(&text),
                Err(Stop::Cancelled) => break,
            }
        }
        let settings = match Settings::read(self.host, self.config) {
            Ok(settings) => settings,
            Err(_) => return,
        };
        if self.asked.borrow().as_ref() != Some(&settings) {
            self.worker.abandon();
            self.asked.replace(Some(settings.clone()));
            self.shown.replace(None);
            self.enter(Stage::Finding);
            return self.worker.order(Order::Find(settings));
        }
        if self.stage.get() == Stage::Ready {
            match (self.layout.preview)(self.host, self.config) {
                Ok(edits) if self.shown.borrow().as_ref() != Some(&edits) => {
                    self.worker.order(Order::Show(edits.clone()));
                    self.shown.replace(Some(edits));
                    self.stage.set(Stage::Showing);
                }
                Ok(_) => {}
                Err(Stop::Failed(text)) => self.status(&text),
                Err(Stop::Cancelled) => {}
            }
        }
        if matches!(self.stage.get(), Stage::Finding) {
            self.widgets.pulse(self.toolkit);
        }
    }

    fn hear(&self, news: News) {
        match news {
            News::Working(text, fraction) => {
                self.status(&text);
                if let Some(fraction) = fraction {
                    self.widgets.fraction(self.toolkit, fraction);
                }
            }
            News::Found(view, inverted) => {
                self.original.replace(Some(view));
                self.edited.replace(None);
                self.draw();
                match inverted {
                    true => self.ready(),
                    false => {
                        self.enter(Stage::Found);
                        self.status(
                            "This face is new. Invert it once to see the sliders' effect here; that takes a few minutes, \
                             and gani then remembers it. OK inverts it too.",
                        );
                    }
                }
            }
            News::Underway(view) => {
                self.edited.replace(Some(view));
                self.draw();
            }
            News::Inverted => self.ready(),
            News::Shown(view) => {
                self.edited.replace(Some(view));
                self.draw();
                self.ready();
            }
            News::Failed(Error::Cancelled) => {}
            News::Failed(error) => {
                self.enter(Stage::Idle);
                self.status(&sentence(&error.to_string()));
            }
            News::Rendered(_) => {}
        }
    }

    fn ready(&self) {
        self.enter(Stage::Ready);
        self.status("This face is ready: the picture follows the sliders.");
    }

    /// The button under the picture: invert, or stop that.
    fn pressed(&self) {
        match self.stage.get() {
            Stage::Found => {
                self.enter(Stage::Inverting);
                self.worker.order(Order::Invert);
            }
            Stage::Inverting => {
                self.worker.abandon();
                self.enter(Stage::Found);
                self.edited.replace(None);
                self.draw();
                self.status("Stopped. Nothing was changed.");
            }
            _ => {}
        }
    }

    fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        let label = if stage == Stage::Inverting { c"Sto_p" } else { c"_Invert this face" };
        let pressable = matches!(stage, Stage::Found | Stage::Inverting);
        self.widgets.button(self.toolkit, label, pressable);
        self.widgets
            .fraction(self.toolkit, if matches!(stage, Stage::Ready | Stage::Showing) { 1.0 } else { 0.0 });
    }

    /// Shows the edited face, or the original where there is none or it is asked for.
    fn draw(&self) {
        let (original, edited) = (self.original.borrow(), self.edited.borrow());
        let before = self.widgets.wants_original(self.toolkit);
        if let Some(View(pixels)) = edited.as_ref().filter(|_| !before).or(original.as_ref()) {
            self.widgets.picture(self.toolkit, pixels);
        }
    }

    fn status(&self, text: &str) {
        self.widgets.status(self.toolkit, text);
    }
}

//! The controller of the dialog: sends requests to the worker when a value changes, and shows the worker's events.

use super::layout::Layout;
use super::looks::LookRow;
use super::toolkit::Toolkit;
use super::widgets::{Callbacks, INVERT_LABEL, STOP_LABEL, Widgets};
use crate::error::{Error, Result, sentence};
use crate::host::Call;
use crate::log;
use crate::messages::{Event, Preview, Request};
use crate::settings::{Settings, read_keep};
use crate::worker::Worker;
use gani_core::edit::Edit;
use gani_core::face::Keep;
use std::cell::{Cell, RefCell};

const STOPPED: &str = "Stopped. Invert this face to continue; OK does so, too.";
const STOPPED_WITH_DRAFT: &str =
    "Stopped. The sliders edit a draft, and OK takes it. Invert this face for the full quality.";

const CONTINUED: &str = "OK replaces the selected layer.";
const CONTINUED_DIFFERENTLY: &str = "OK replaces the selected layer. It was made with an inversion that the cache no longer has for this face, so the result \
     may differ slightly.";

/// What the worker is doing for the dialog.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: no request was sent, or the last one failed.
    Idle,
    /// Finding the face.
    Finding,
    /// Inverting the face.
    Inverting,
    /// Nothing: the user has stopped the inversion.
    Stopped,
    /// The face is inverted. The worker renders previews.
    Ready,
}

/// The lines of the note, by subject.
#[derive(Clone, Copy)]
enum Note {
    /// The edit that the dialog continues.
    Record,
    /// Warnings of the worker.
    Warning,
    /// What happened to a look.
    Look,
}

/// The controller of an open dialog.
pub struct Panel<'a> {
    call: &'a Call,
    layout: &'a Layout,
    toolkit: &'a Toolkit,
    widgets: &'a Widgets,
    worker: &'a Worker,
    state: Cell<State>,
    /// Whether the worker has a draft of the face, so that previews are possible before the inversion ends.
    drafted: Cell<bool>,
    /// Whether the worker owes a preview.
    rendering: Cell<bool>,
    /// The settings of the last request.
    settings: RefCell<Option<Settings>>,
    /// The edits of the last preview request, and what it keeps of the layer.
    edits: RefCell<Option<(Vec<Edit>, Keep)>>,
    original: RefCell<Option<Preview>>,
    edited: RefCell<Option<Preview>>,
    notes: RefCell<[String; 3]>,
}

impl<'a> Panel<'a> {
    /// A controller before its first request.
    pub fn new(
        call: &'a Call,
        layout: &'a Layout,
        toolkit: &'a Toolkit,
        widgets: &'a Widgets,
        worker: &'a Worker,
    ) -> Panel<'a> {
        Panel {
            call,
            layout,
            toolkit,
            widgets,
            worker,
            state: Cell::new(State::Idle),
            drafted: Cell::new(false),
            rendering: Cell::new(false),
            settings: RefCell::default(),
            edits: RefCell::default(),
            original: RefCell::default(),
            edited: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Progress { text, fraction } => {
                self.set_status(&text);
                if let Some(fraction) = fraction {
                    self.widgets.set_fraction(self.toolkit, fraction);
                }
            }
            Event::FaceFound { preview, key } => {
                if let Some(record) = &self.layout.record {
                    let same = key.as_ref() == Some(&record.inversion.key);
                    self.set_note(Note::Record, if same { CONTINUED } else { CONTINUED_DIFFERENTLY });
                }
                self.original.replace(Some(preview));
                self.edited.replace(None);
                self.draw();
                match key {
                    Some(_) => self.set_ready(),
                    None => self.invert(),
                }
            }
            Event::Drafted => self.drafted.set(true),
            Event::Inverted => {
                self.edits.replace(None); // the next preview shows the inversion instead of the draft
                self.set_ready();
            }
            Event::EditPreview(preview) => {
                self.rendering.set(false);
                self.edited.replace(Some(preview));
                self.draw();
                if self.state.get() == State::Ready {
                    self.set_ready();
                }
            }
            Event::PreviewFailed(gani_core::Error::Cancelled) => self.rendering.set(false),
            Event::PreviewFailed(error) => {
                self.rendering.set(false);
                self.set_status(&sentence(&error.to_string()));
            }
            Event::Failed(gani_core::Error::Cancelled) => {}
            Event::Failed(error) => {
                self.set_state(State::Idle);
                self.set_status(&sentence(&error.to_string()));
            }
            Event::Rendered(_) => {}
        }
    }

    /// Requests a preview if the edits have changed.
    fn update_preview(&self) {
        let (gimp, config) = (self.call.gimp, self.call.config);
        let wanted =
            (self.layout.preview)(gimp, config).and_then(|edits| Ok((edits, read_keep(gimp, config)?)));
        match wanted {
            Ok(edits) if self.edits.borrow().as_ref() != Some(&edits) => {
                self.worker.send(Request::Preview(edits.0.clone(), edits.1));
                self.edits.replace(Some(edits));
                self.rendering.set(true);
            }
            Ok(_) | Err(Error::Cancelled) => {}
            Err(Error::Failed(text)) => self.set_status(&text),
        }
    }

    /// Shows the edited face; the original if there is none or the user asks for it.
    fn draw(&self) {
        let (original, edited) = (self.original.borrow(), self.edited.borrow());
        let show_original = self.widgets.shows_original(self.toolkit);
        if let Some(Preview(pixels)) = edited.as_ref().filter(|_| !show_original).or(original.as_ref()) {
            self.widgets.set_image(self.toolkit, pixels);
        }
    }

    /// Starts the inversion, which first makes a draft.
    fn invert(&self) {
        self.set_state(State::Inverting);
        self.worker.send(Request::Invert);
    }

    /// Whether the user has stopped the inversion and the worker has a draft.
    pub fn accepts_draft(&self) -> bool {
        self.state.get() == State::Stopped && self.drafted.get()
    }

    fn set_ready(&self) {
        self.set_state(State::Ready);
        self.set_status("This face is ready. The preview follows the sliders.");
    }

    fn set_state(&self, state: State) {
        self.state.set(state);
        let label = if state == State::Inverting { STOP_LABEL } else { INVERT_LABEL };
        let sensitive = matches!(state, State::Stopped | State::Inverting);
        self.widgets.set_button(self.toolkit, label, sensitive);
        self.widgets.set_fraction(self.toolkit, if state == State::Ready { 1.0 } else { 0.0 });
    }

    fn set_status(&self, text: &str) {
        self.widgets.set_status(self.toolkit, text);
    }

    fn set_note(&self, note: Note, text: &str) {
        let mut notes = self.notes.borrow_mut();
        notes[note as usize] = text.into();
        let lines: Vec<&str> = notes.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        self.widgets.set_note(self.toolkit, &lines.join("\n"));
    }

    /// Does something with the looks and shows what it returns.
    fn with_looks(&self, act: impl FnOnce(&LookRow) -> Result<Option<String>>) {
        if let Some(Ok(Some(text)) | Err(Error::Failed(text))) = self.widgets.looks.as_ref().map(act) {
            self.set_note(Note::Look, &text);
        }
    }
}

impl Callbacks for Panel<'_> {
    fn on_timer(&self) {
        loop {
            match self.worker.try_recv() {
                Ok(Some(event)) => self.on_event(event),
                Ok(None) | Err(Error::Cancelled) => break,
                Err(Error::Failed(text)) => return self.set_status(&text),
            }
        }
        let warnings: Vec<String> = log::take_warnings().iter().map(|warning| sentence(warning)).collect();
        if !warnings.is_empty() {
            self.set_note(Note::Warning, &warnings.join("\n"));
        }
        let Ok(settings) = Settings::read(self.call.gimp, self.call.config) else { return };
        if self.settings.borrow().as_ref() != Some(&settings) {
            self.worker.cancel();
            self.settings.replace(Some(settings.clone()));
            self.edits.replace(None);
            self.drafted.set(false);
            self.rendering.set(false);
            self.set_state(State::Finding);
            self.set_note(Note::Warning, "");
            return self.worker.send(Request::FindFace(settings));
        }
        let previews = self.state.get() == State::Ready || self.drafted.get();
        if previews && !self.rendering.get() {
            self.update_preview();
        }
        if self.state.get() == State::Finding {
            self.widgets.pulse(self.toolkit);
        }
    }

    /// The button starts the inversion or stops it.
    fn on_button_clicked(&self) {
        match self.state.get() {
            State::Stopped => self.invert(),
            State::Inverting => {
                self.worker.cancel();
                self.rendering.set(false);
                self.set_state(State::Stopped);
                self.set_status(if self.drafted.get() { STOPPED_WITH_DRAFT } else { STOPPED });
            }
            _ => {}
        }
    }

    fn on_before_toggled(&self) {
        self.draw();
    }

    fn on_look_changed(&self) {
        self.with_looks(|looks| looks.on_changed(self.toolkit));
    }

    fn on_look_saved(&self) {
        self.with_looks(|looks| looks.on_save(self.toolkit).map(Some));
    }

    fn on_look_removed(&self) {
        self.with_looks(|looks| looks.on_remove(self.toolkit).map(Some));
    }
}

//! Messages between the main thread, which alone may call libgimp, and the worker thread.

use crate::patch::Patch;
use crate::record::UsedInversion;
use crate::settings::Settings;
use gani_core::Error;
use gani_core::edit::Edit;
use gani_core::face::Keep;

/// Width and height of preview images, in pixels.
pub const PREVIEW_SIZE: usize = 384;

/// What the main thread asks the worker to do.
pub enum Request {
    /// Find the face, and load its inversion if the cache has one.
    FindFace(Settings),
    /// Make a draft of the face, then invert it. Meanwhile, previews show the draft.
    Invert,
    /// Render a preview of the inverted face with these edits.
    Preview(Vec<Edit>, Keep),
    /// Render one patch for each list of edits. Finds and inverts the face first if necessary.
    Render(RenderRequest),
}

/// What OK asks for.
pub struct RenderRequest {
    /// The face and how to invert it.
    pub settings: Settings,
    /// A list of edits for each patch.
    pub edits: Vec<Vec<Edit>>,
    /// What stays of the layer.
    pub keep: Keep,
    /// Whether a draft will do, because the user has stopped the inversion.
    pub accept_draft: bool,
}

/// What the worker reports.
pub enum Event {
    /// The current step of the work.
    Progress {
        /// What the worker is doing.
        text: String,
        /// The completed part, 0 to 1; none while unknown.
        fraction: Option<f64>,
    },
    /// The face was found.
    FaceFound {
        /// The aligned crop of the input layer.
        preview: Preview,
        /// The key of its inversion, if the cache has one.
        key: Option<String>,
    },
    /// The draft of a [`Request::Invert`] is ready: previews are possible.
    Drafted,
    /// The face is inverted.
    Inverted,
    /// The face with the edits of the last [`Request::Preview`].
    EditPreview(Preview),
    /// The patches of a [`Request::Render`].
    Rendered(Rendered),
    /// A [`Request::Preview`] failed.
    PreviewFailed(Error),
    /// Another request failed or was cancelled.
    Failed(Error),
}

/// A preview image: [`PREVIEW_SIZE`]² RGB pixels, 8 bits per channel, row by row.
pub struct Preview(pub Vec<u8>);

/// The result of a [`Request::Render`].
pub struct Rendered {
    /// One patch for each list of edits.
    pub patches: Vec<Patch>,
    /// Whether the inversion came from the cache.
    pub from_cache: bool,
    /// The inversion.
    pub inversion: UsedInversion,
}

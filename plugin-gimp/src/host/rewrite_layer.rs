//! Layers that carry the record of their edit: finds the record and its photo, and writes the next edit into the layer.

use super::handles::{Drawable, Item, Layer, Rect};
use super::libgimp::c_string;
use super::procedure::Call;
use crate::error::{Error, Result};
use crate::patch::Patch;
use crate::record::{PhotoLayer, Record};
use std::ffi::{CStr, c_int, c_uint};
use std::slice;

/// The name of the parasite with the record.
const PARASITE: &CStr = c"gani-edit";

impl Call {
    /// The record that the selected layer carries, if it has one.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn read_record(&self) -> Result<Option<Record>> {
        let gimp = self.gimp.functions();
        // SAFETY: the drawable is alive. libgimp returns a copy, whose bytes are copied before it is freed.
        let text = unsafe {
            let Some(parasite) = (gimp.gimp_item_get_parasite)(self.drawable.item(), PARASITE.as_ptr())
            else {
                return Ok(None);
            };
            let mut length = 0;
            let data = (gimp.gimp_parasite_get_data)(parasite, &mut length);
            let bytes = if data.is_null() { &[] } else { slice::from_raw_parts(data, length as usize) };
            let text = String::from_utf8_lossy(bytes).into_owned();
            (gimp.gimp_parasite_free)(parasite);
            text
        };
        let record = Record::parse(&text).map_err(|e| {
            let name = self.layer_name(self.drawable.item());
            Error::Failed(format!("The layer “{name}” cannot be edited again: {e}. To edit the face anew, select the layer with the photo."))
        });
        record.map(Some)
    }

    /// The layer with the photo of a record.
    ///
    /// # Errors
    /// It is gone.
    pub fn find_photo(&self, photo: &PhotoLayer) -> Result<Drawable> {
        // SAFETY: the image is alive.
        let found =
            unsafe { (self.gimp.functions().gimp_image_get_layer_by_tattoo)(self.image, photo.tattoo) };
        found.map(Layer::drawable).filter(|layer| *layer != self.drawable).ok_or_else(|| {
            let name = self.layer_name(self.drawable.item());
            Error::Failed(format!(
                "The layer “{}”, from which “{name}” was made, is gone. Undo its removal, or select another layer with the face.",
                photo.name
            ))
        })
    }

    /// The selected layer as the photo of a record.
    pub fn as_photo(&self) -> PhotoLayer {
        let item = self.drawable.item();
        // SAFETY: the item is alive.
        let tattoo = unsafe { (self.gimp.functions().gimp_item_get_tattoo)(item) };
        PhotoLayer { tattoo, name: self.layer_name(item) }
    }

    /// Makes a layer carry a record, in one step with other changes for undo.
    pub fn attach_record(&self, layer: Item, record: &Record) {
        const PERSISTENT_UNDOABLE: c_uint = 1 | 2; // GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE
        let (gimp, text) = (self.gimp.functions(), record.to_json());
        // SAFETY: libgimp copies the bytes, and the parasite is freed after GIMP has copied it.
        unsafe {
            let length = text.len() as c_uint;
            let parasite =
                (gimp.gimp_parasite_new)(PARASITE.as_ptr(), PERSISTENT_UNDOABLE, length, text.as_ptr());
            if let Some(parasite) = parasite {
                (gimp.gimp_item_attach_parasite)(layer, parasite);
                (gimp.gimp_parasite_free)(parasite);
            }
        }
    }

    /// The name of a layer.
    pub fn layer_name(&self, layer: Item) -> String {
        let gimp = self.gimp;
        // SAFETY: the item is alive; the caller owns the returned string.
        unsafe { gimp.take_string((gimp.functions().gimp_item_get_name)(layer)) }
    }

    /// Renames a layer.
    pub fn rename_layer(&self, layer: Item, name: &str) {
        // SAFETY: the item is alive; the name lives until the call returns.
        unsafe { (self.gimp.functions().gimp_item_set_name)(layer, c_string(name).as_ptr()) };
    }

    /// Replaces the whole content of `layer`, whatever is selected, with the cutout of a patch of the layer of this call. Mask,
    /// opacity and mode of the layer stay.
    pub fn rewrite_layer(&self, layer: Layer, patch: &Patch) -> Result<()> {
        let (gimp, pixels) = (self.gimp.functions(), &patch.cutout);
        let drawable = layer.drawable();
        let (width, height) = (pixels.width as c_int, pixels.height as c_int);
        let [x, y] = self.layer_offset();
        let [x, y] = [x + patch.offset[0] as c_int, y + patch.offset[1] as c_int];
        // SAFETY: the handles are alive; the out pointers point to locals.
        let selection = unsafe {
            let (mut old_x, mut old_y) = (0, 0);
            (gimp.gimp_drawable_get_offsets)(drawable, &mut old_x, &mut old_y);
            let size = ((gimp.gimp_drawable_get_width)(drawable), (gimp.gimp_drawable_get_height)(drawable));
            if (size, old_x, old_y) != ((width, height), x, y) {
                (gimp.gimp_layer_resize)(layer, width, height, old_x - x, old_y - y);
            }
            (gimp.gimp_layer_add_alpha)(layer);
            // GIMP merges a shadow buffer through the selection.
            let selected = (gimp.gimp_selection_is_empty)(self.image) == 0;
            let selection = if selected { (gimp.gimp_selection_save)(self.image) } else { None };
            (gimp.gimp_selection_none)(self.image);
            selection
        };
        let format = self.rgba_format(drawable, pixels.depth())?;
        self.shadow_buffer(drawable)?.write(Rect { x: 0, y: 0, width, height }, format, pixels.bytes());
        // SAFETY: the handles are alive. The saved selection is a channel of the image until it is removed.
        unsafe {
            (gimp.gimp_drawable_merge_shadow)(drawable, 1);
            (gimp.gimp_drawable_update)(drawable, 0, 0, width, height);
            if let Some(selection) = selection {
                const REPLACE: c_int = 2; // GIMP_CHANNEL_OP_REPLACE
                (gimp.gimp_image_select_item)(self.image, REPLACE, selection.item());
                (gimp.gimp_image_remove_channel)(self.image, selection);
            }
        }
        self.select_layer(drawable);
        Ok(())
    }
}

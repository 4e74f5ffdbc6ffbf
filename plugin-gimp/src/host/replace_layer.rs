//! Layers that carry the record of their edit: finds the record and its photo, and replaces the layer with the next edit.

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

    /// Makes a layer that is not yet part of the image carry a record.
    pub(super) fn attach_record(&self, layer: Item, record: &Record) {
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

    /// Replaces the layer `old` with a copy of this name that has the cutout of a patch of the layer of this call as its content. Mask,
    /// opacity and mode stay. The copy gets the record before it is part of the image: GIMP undoes the change of a parasite only
    /// with a CRITICAL message.
    pub fn replace_layer(&self, old: Layer, name: &str, patch: &Patch, record: &Record) -> Result<Layer> {
        let (gimp, pixels) = (self.gimp.functions(), &patch.cutout);
        let (width, height) = (pixels.width as c_int, pixels.height as c_int);
        let [x, y] = self.layer_offset();
        let [x, y] = [x + patch.offset[0] as c_int, y + patch.offset[1] as c_int];
        // SAFETY: the handles are alive; the out pointers point to locals; the name lives until the call returns.
        let layer = unsafe {
            let layer = (gimp.gimp_layer_copy)(old).ok_or_else(|| Error::missing("copy of the layer"))?;
            self.attach_record(layer.item(), record);
            let parent = (gimp.gimp_item_get_parent)(old.item());
            let position = (gimp.gimp_image_get_item_position)(self.image, old.item());
            (gimp.gimp_image_insert_layer)(self.image, layer, parent, position);
            (gimp.gimp_image_remove_layer)(self.image, old);
            (gimp.gimp_item_set_name)(layer.item(), c_string(name).as_ptr());
            let drawable = layer.drawable();
            let (mut old_x, mut old_y) = (0, 0);
            (gimp.gimp_drawable_get_offsets)(drawable, &mut old_x, &mut old_y);
            let size = ((gimp.gimp_drawable_get_width)(drawable), (gimp.gimp_drawable_get_height)(drawable));
            if (size, old_x, old_y) != ((width, height), x, y) {
                (gimp.gimp_layer_resize)(layer, width, height, old_x - x, old_y - y);
            }
            (gimp.gimp_layer_add_alpha)(layer);
            layer
        };
        let format = self.rgba_format(layer.drawable(), pixels.depth())?;
        self.buffer(layer.drawable())?.write(Rect { x: 0, y: 0, width, height }, format, pixels.bytes());
        // SAFETY: the layer is alive.
        unsafe { (gimp.gimp_drawable_update)(layer.drawable(), 0, 0, width, height) };
        self.select_layer(layer.drawable());
        Ok(layer)
    }
}

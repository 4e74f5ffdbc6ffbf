//! Pixels out of GIMP's layers and into them, exact where nothing was changed.

use super::handles::*;
use super::{Host, c_text};
use crate::pixels::{Depth, Rgba};
use crate::procedure::{Call, Stop};
use crate::worker::Patch;
use ndarray::Array2;
use std::ffi::{CStr, c_int};

/// A buffer of pixels, given back when dropped; that also flushes what was written.
struct Buffer {
    host: Host,
    buffer: GeglBuffer,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: this is the reference that libgimp gave us.
        unsafe { (self.host.gimp().g_object_unref)(self.buffer.object()) };
    }
}

/// The layer that was asked about, as the worker gets it.
pub struct Picture {
    /// The layer's name, for messages.
    pub name: String,
    /// Its pixels.
    pub pixels: Rgba,
    /// The image's selection over the layer `[H,W]`, 0 to 255; none where nothing is selected.
    pub selection: Option<Array2<u8>>,
}

fn missing(what: &str) -> Stop {
    Stop::Failed(format!("GIMP gave no {what}; was the image closed?"))
}

impl Call {
    /// Reads the layer and the selection.
    pub fn picture(&self) -> Result<Picture, Stop> {
        let gimp = self.host.gimp();
        let item = self.drawable.item();
        // SAFETY: the drawable is alive while its procedure runs; out pointers point to locals.
        let (name, is_layer, width, height, offset, selected) = unsafe {
            let (mut x, mut y) = (0, 0);
            (gimp.gimp_drawable_get_offsets)(self.drawable, &mut x, &mut y);
            (
                self.host.take_string((gimp.gimp_item_get_name)(item)),
                (gimp.gimp_item_is_layer)(item) != 0,
                (gimp.gimp_drawable_get_width)(self.drawable),
                (gimp.gimp_drawable_get_height)(self.drawable),
                [x, y],
                (gimp.gimp_selection_is_empty)(self.image) == 0,
            )
        };
        if !is_layer {
            return Err(Stop::Failed(format!(
                "“{name}” is no layer: select the layer with the face, not a mask or channel"
            )));
        }
        let name = format!("the layer “{name}”");
        let size = [width, height].map(|side| u32::try_from(side).unwrap_or(0));
        let mut pixels = Rgba::new(&name, size[0], size[1], self.depth()?).map_err(Stop::from)?;
        let format = self.format(self.drawable, pixels.depth())?;
        let all = Rect { x: 0, y: 0, width, height };
        self.buffer(self.drawable)?.read(all, format, pixels.bytes_mut());
        let mut selection = None;
        if selected {
            // SAFETY: a plain question about a living image.
            let channel =
                unsafe { (gimp.gimp_image_get_selection)(self.image) }.ok_or_else(|| missing("selection"))?;
            let space = self.space(channel)?;
            let format = self.named_format(c"Y u8", space)?;
            let mut mask = Array2::zeros((size[1] as usize, size[0] as usize));
            if let Some(bytes) = mask.as_slice_mut() {
                let part = Rect { x: offset[0], y: offset[1], width, height };
                self.buffer(channel)?.read(part, format, bytes);
            }
            selection = Some(mask);
        }
        Ok(Picture { name, pixels, selection })
    }

    /// Refuses a layer that cannot be painted on, before any work.
    pub fn check_writable(&self) -> Result<(), Stop> {
        let (gimp, item) = (self.host.gimp(), self.drawable.item());
        // SAFETY: plain questions about a living item.
        let (group, locked) =
            unsafe { ((gimp.gimp_item_is_group)(item) != 0, (gimp.gimp_item_get_lock_content)(item) != 0) };
        match (group, locked) {
            (true, _) => Err(Stop::Failed(
                "A layer group cannot be changed itself: choose a new layer as output.".into(),
            )),
            (_, true) => Err(Stop::Failed(
                "The layer's pixels are locked: unlock them, or choose a new layer as output.".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Does changes of the picture as one step of its history.
    pub fn undo_step<T>(&self, change: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let gimp = self.host.gimp();
        // SAFETY: the image is alive; the group is closed on every way out.
        unsafe { (gimp.gimp_image_undo_group_start)(self.image) };
        let done = change();
        // SAFETY: as above.
        unsafe { (gimp.gimp_image_undo_group_end)(self.image) };
        done
    }

    /// Changes the layer itself, as far as the selection reaches.
    pub fn write(&self, patch: &Patch) -> Result<(), Stop> {
        let gimp = self.host.gimp();
        let (mut x, mut y, mut width, mut height) = (0, 0, 0, 0);
        // SAFETY: out pointers point to locals.
        let meets = unsafe {
            (gimp.gimp_drawable_mask_intersect)(self.drawable, &mut x, &mut y, &mut width, &mut height)
        };
        if meets == 0 || width < 1 || height < 1 {
            return Err(Stop::Failed(
                "The selection does not meet the layer: select the face, or nothing.".into(),
            ));
        }
        let bounds = Rect { x, y, width, height };
        let format = self.format(self.drawable, patch.after.depth())?;
        // SAFETY: a plain request; the result is ours to unref.
        let shadow = unsafe { (gimp.gimp_drawable_get_shadow_buffer)(self.drawable) };
        let shadow = Buffer { host: self.host, buffer: shadow.ok_or_else(|| missing("shadow buffer"))? };
        let layer = self.buffer(self.drawable)?;
        // SAFETY: both buffers are alive; rectangles point to locals.
        unsafe { (gimp.gegl_buffer_copy)(layer.buffer, &bounds, 0, shadow.buffer, &bounds) };
        // Only what differs is written: all else keeps its bits, whatever the layer's format is.
        let pixel = patch.after.depth().pixel();
        let row_bytes = patch.after.width as usize * pixel;
        let rows = patch.after.bytes().chunks_exact(row_bytes.max(1)).zip(patch.after.changed(&patch.before));
        for (row, (bytes, columns)) in (0..).zip(rows).filter(|(_, (_, columns))| !columns.is_empty()) {
            let at = Rect {
                x: (patch.at[0] as usize + columns.start) as c_int,
                y: patch.at[1] as c_int + row,
                width: columns.len() as c_int,
                height: 1,
            };
            shadow.write(at, format, &bytes[columns.start * pixel..columns.end * pixel]);
        }
        drop((layer, shadow));
        // SAFETY: plain calls; GIMP applies the shadow through the selection and remembers what was there.
        unsafe {
            (gimp.gimp_drawable_merge_shadow)(self.drawable, 1);
            (gimp.gimp_drawable_update)(self.drawable, x, y, width, height);
        }
        Ok(())
    }

    /// A group for layers, above the layer.
    pub fn add_group(&self, name: &str) -> Result<Layer, Stop> {
        // SAFETY: the name lives through the call.
        let group = unsafe { (self.host.gimp().gimp_group_layer_new)(self.image, c_text(name).as_ptr()) };
        let group = group.ok_or_else(|| missing("layer group"))?;
        self.insert_above(group);
        Ok(group)
    }

    /// A new layer with the patch, on top of `group` or above the layer; masked by the selection.
    pub fn add_layer(
        &self,
        name: &str,
        patch: &Patch,
        group: Option<Layer>,
        visible: bool,
    ) -> Result<Layer, Stop> {
        let (gimp, pixels) = (self.host.gimp(), &patch.layer);
        let (width, height) = (pixels.width as c_int, pixels.height as c_int);
        let normal = 28; // GIMP_LAYER_MODE_NORMAL
        // SAFETY: strings and out pointers live through the calls; the handles are alive.
        let layer = unsafe {
            let kind = if (gimp.gimp_drawable_is_rgb)(self.drawable) != 0 { 1 } else { 3 }; // RGBA or grey with alpha
            let layer =
                (gimp.gimp_layer_new)(self.image, c_text(name).as_ptr(), width, height, kind, 100.0, normal);
            let layer = layer.ok_or_else(|| missing("new layer"))?;
            let (mut x, mut y) = (0, 0);
            (gimp.gimp_drawable_get_offsets)(self.drawable, &mut x, &mut y);
            (gimp.gimp_layer_set_offsets)(layer, x + patch.at[0] as c_int, y + patch.at[1] as c_int);
            layer
        };
        match group {
            Some(group) => {
                // SAFETY: the group is a layer of this image.
                unsafe { (gimp.gimp_image_insert_layer)(self.image, layer, Some(group.item()), 0) };
            }
            None => self.insert_above(layer),
        }
        let format = self.format(layer.drawable(), pixels.depth())?;
        self.buffer(layer.drawable())?.write(Rect { x: 0, y: 0, width, height }, format, pixels.bytes());
        // SAFETY: plain calls on living handles; the mask becomes the layer's.
        unsafe {
            (gimp.gimp_drawable_update)(layer.drawable(), 0, 0, width, height);
            if (gimp.gimp_selection_is_empty)(self.image) == 0 {
                let from_selection = 4; // GIMP_ADD_MASK_SELECTION
                let mask = (gimp.gimp_layer_create_mask)(layer, from_selection)
                    .ok_or_else(|| missing("layer mask"))?;
                (gimp.gimp_layer_add_mask)(layer, mask);
            }
            (gimp.gimp_item_set_visible)(layer.item(), c_int::from(visible));
        }
        Ok(layer)
    }

    /// Selects the layer that was asked about again, as new ones select themselves: the next edit starts from the same
    /// face, which is known by then.
    pub fn select_layer(&self) {
        let layers = [Some(self.drawable), None];
        // SAFETY: a NULL-terminated array of one layer, which lives through the call.
        unsafe { (self.host.gimp().gimp_image_set_selected_layers)(self.image, layers.as_ptr()) };
    }

    fn insert_above(&self, layer: Layer) {
        let (gimp, item) = (self.host.gimp(), self.drawable.item());
        // SAFETY: plain calls on living handles.
        unsafe {
            let position = (gimp.gimp_image_get_item_position)(self.image, item);
            (gimp.gimp_image_insert_layer)(self.image, layer, (gimp.gimp_item_get_parent)(item), position);
        }
    }

    fn buffer(&self, drawable: Drawable) -> Result<Buffer, Stop> {
        // SAFETY: the result is ours to unref.
        let buffer = unsafe { (self.host.gimp().gimp_drawable_get_buffer)(drawable) };
        Ok(Buffer { host: self.host, buffer: buffer.ok_or_else(|| missing("pixels"))? })
    }

    /// The depth that holds the layer's values: 8 or 16 bit where it has them, else floats.
    fn depth(&self) -> Result<Depth, Stop> {
        let gimp = self.host.gimp();
        // SAFETY: babl objects live for the process; names are C strings.
        let name = unsafe {
            let format =
                (gimp.gimp_drawable_get_format)(self.drawable).ok_or_else(|| missing("pixel format"))?;
            let component =
                (gimp.babl_format_get_type)(format, 0).ok_or_else(|| missing("component type"))?;
            CStr::from_ptr((gimp.babl_get_name)(component))
        };
        Ok(match name.to_bytes() {
            b"u8" => Depth::U8,
            b"u16" => Depth::U16,
            _ => Depth::F32,
        })
    }

    /// The colour space of a drawable.
    fn space(&self, drawable: Drawable) -> Result<Babl, Stop> {
        let gimp = self.host.gimp();
        // SAFETY: as in `depth`.
        unsafe {
            let format = (gimp.gimp_drawable_get_format)(drawable).ok_or_else(|| missing("pixel format"))?;
            (gimp.babl_format_get_space)(format).ok_or_else(|| missing("colour space"))
        }
    }

    /// RGBA, gamma-encoded with straight alpha, in the drawable's own colour space: no profile is converted.
    fn format(&self, drawable: Drawable, depth: Depth) -> Result<Babl, Stop> {
        let name = match depth {
            Depth::U8 => c"R'G'B'A u8",
            Depth::U16 => c"R'G'B'A u16",
            Depth::F32 => c"R'G'B'A float",
        };
        self.named_format(name, self.space(drawable)?)
    }

    fn named_format(&self, name: &CStr, space: Babl) -> Result<Babl, Stop> {
        // SAFETY: babl knows these names.
        unsafe { (self.host.gimp().babl_format_with_space)(name.as_ptr(), space) }
            .ok_or_else(|| missing("pixel format"))
    }
}

impl Buffer {
    /// Fills `bytes`, which hold `rect` in `format` exactly; what lies beyond the buffer reads as zeros.
    fn read(&self, rect: Rect, format: Babl, bytes: &mut [u8]) {
        // SAFETY: the callers sized `bytes` by the same rectangle and format; rows follow without gaps.
        unsafe {
            (self.host.gimp().gegl_buffer_get)(self.buffer, &rect, 1.0, format, bytes.as_mut_ptr(), 0, 0)
        };
    }

    /// Writes `bytes`, which hold `rect` in `format` exactly.
    fn write(&self, rect: Rect, format: Babl, bytes: &[u8]) {
        // SAFETY: as in `read`.
        unsafe { (self.host.gimp().gegl_buffer_set)(self.buffer, &rect, 0, format, bytes.as_ptr(), 0) };
    }
}

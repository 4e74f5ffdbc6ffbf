//! Changes the selected layer or adds new ones. Pixels that an edit does not change keep their exact values.

use super::handles::{Drawable, Layer, Rect};
use super::libgimp::c_string;
use super::procedure::Call;
use crate::error::{Error, Result};
use crate::patch::Patch;
use crate::record::Record;
use std::ffi::c_int;

impl Call {
    /// Checks that the selected layer can be changed.
    ///
    /// # Errors
    /// The layer is a group, or its pixels are locked.
    pub fn check_writable(&self) -> Result<()> {
        let (gimp, item) = (self.gimp.functions(), self.drawable.item());
        // SAFETY: the item is alive while the procedure runs.
        let (group, locked) =
            unsafe { ((gimp.gimp_item_is_group)(item) != 0, (gimp.gimp_item_get_lock_content)(item) != 0) };
        match (group, locked) {
            (true, _) => Err(Error::Failed(
                "The pixels of a layer group cannot be changed. Choose a new layer as output.".into(),
            )),
            (_, true) => Err(Error::Failed(
                "The layer's pixels are locked. Unlock them, or choose a new layer as output.".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Groups all changes that `change` makes to the image into one undo step.
    pub fn undo_group<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let gimp = self.gimp.functions();
        // SAFETY: the image is alive. The group is closed whether `change` succeeds or fails.
        unsafe { (gimp.gimp_image_undo_group_start)(self.image) };
        let result = change();
        // SAFETY: as above.
        unsafe { (gimp.gimp_image_undo_group_end)(self.image) };
        result
    }

    /// Writes the patch to the selected layer, within the selection.
    pub fn write_patch(&self, patch: &Patch) -> Result<()> {
        let gimp = self.gimp.functions();
        let (mut x, mut y, mut width, mut height) = (0, 0, 0, 0);
        // SAFETY: the drawable is alive; the out pointers point to locals.
        let intersects = unsafe {
            (gimp.gimp_drawable_mask_intersect)(self.drawable, &mut x, &mut y, &mut width, &mut height)
        };
        if intersects == 0 || width < 1 || height < 1 {
            return Err(Error::Failed(
                "The selection is outside the layer. Select the face, or remove the selection.".into(),
            ));
        }
        let bounds = Rect { x, y, width, height };
        let (layer, shadow) = (self.buffer(self.drawable)?, self.shadow_buffer()?);
        // SAFETY: both buffers are alive; the rectangles point to a local.
        unsafe { (gimp.gegl_buffer_copy)(layer.handle, &bounds, 0, shadow.handle, &bounds) };
        // Only changed pixels are written. The conversion to RGBA and back may round the others.
        let format = self.rgba_format(self.drawable, patch.edited.depth())?;
        let pixel = patch.edited.depth().bytes_per_pixel();
        let row_bytes = patch.edited.width as usize * pixel;
        let changed = patch.edited.changed_columns(&patch.original);
        let rows = patch.edited.bytes().chunks_exact(row_bytes.max(1)).zip(changed);
        for (row, (bytes, columns)) in (0..).zip(rows).filter(|(_, (_, columns))| !columns.is_empty()) {
            let rect = Rect {
                x: (patch.offset[0] as usize + columns.start) as c_int,
                y: patch.offset[1] as c_int + row,
                width: columns.len() as c_int,
                height: 1,
            };
            shadow.write(rect, format, &bytes[columns.start * pixel..columns.end * pixel]);
        }
        drop((layer, shadow)); // flushes the writes
        // SAFETY: the drawable is alive. GIMP merges the shadow through the selection and records the old pixels for undo.
        unsafe {
            (gimp.gimp_drawable_merge_shadow)(self.drawable, 1);
            (gimp.gimp_drawable_update)(self.drawable, x, y, width, height);
        }
        Ok(())
    }

    /// Adds a layer group above the selected layer.
    pub fn add_group(&self, name: &str) -> Result<Layer> {
        // SAFETY: the name lives until the call returns.
        let group =
            unsafe { (self.gimp.functions().gimp_group_layer_new)(self.image, c_string(name).as_ptr()) };
        let group = group.ok_or_else(|| Error::missing("layer group"))?;
        self.insert_above(group);
        Ok(group)
    }

    /// Adds a layer with the patch's cutout, at the top of `group` or else above the selected layer. The selection, if
    /// any, becomes its mask. The layer of an edit that can be continued carries its record.
    pub fn add_layer(
        &self,
        name: &str,
        patch: &Patch,
        record: Option<&Record>,
        group: Option<Layer>,
        visible: bool,
    ) -> Result<Layer> {
        let (gimp, pixels) = (self.gimp.functions(), &patch.cutout);
        let (width, height) = (pixels.width as c_int, pixels.height as c_int);
        let layer = self.new_layer(name, width, height)?;
        if let Some(record) = record {
            self.attach_record(layer.item(), record);
        }
        let [x, y] = self.layer_offset();
        // SAFETY: the layer is alive.
        unsafe {
            (gimp.gimp_layer_set_offsets)(layer, x + patch.offset[0] as c_int, y + patch.offset[1] as c_int)
        };
        match group {
            Some(group) => {
                // SAFETY: the group is a layer of this image.
                unsafe { (gimp.gimp_image_insert_layer)(self.image, layer, Some(group.item()), 0) };
            }
            None => self.insert_above(layer),
        }
        let format = self.rgba_format(layer.drawable(), pixels.depth())?;
        self.buffer(layer.drawable())?.write(Rect { x: 0, y: 0, width, height }, format, pixels.bytes());
        // SAFETY: the handles are alive. The layer takes ownership of the mask.
        unsafe {
            (gimp.gimp_drawable_update)(layer.drawable(), 0, 0, width, height);
            if (gimp.gimp_selection_is_empty)(self.image) == 0 {
                const FROM_SELECTION: c_int = 4; // GIMP_ADD_MASK_SELECTION
                let mask = (gimp.gimp_layer_create_mask)(layer, FROM_SELECTION)
                    .ok_or_else(|| Error::missing("layer mask"))?;
                (gimp.gimp_layer_add_mask)(layer, mask);
            }
            (gimp.gimp_item_set_visible)(layer.item(), c_int::from(visible));
        }
        Ok(layer)
    }

    /// A layer with alpha of the image's own type (RGB or gray), not yet inserted into the image.
    fn new_layer(&self, name: &str, width: c_int, height: c_int) -> Result<Layer> {
        const RGBA: c_int = 1; // GIMP_RGBA_IMAGE
        const GRAYA: c_int = 3; // GIMP_GRAYA_IMAGE
        const NORMAL: c_int = 28; // GIMP_LAYER_MODE_NORMAL
        let gimp = self.gimp.functions();
        // SAFETY: the handles are alive; the name lives until the call returns.
        let layer = unsafe {
            let layer_type = if (gimp.gimp_drawable_is_rgb)(self.drawable) != 0 { RGBA } else { GRAYA };
            let name = c_string(name);
            (gimp.gimp_layer_new)(self.image, name.as_ptr(), width, height, layer_type, 100.0, NORMAL)
        };
        layer.ok_or_else(|| Error::missing("new layer"))
    }

    /// Selects the input layer again. GIMP selects each new layer, but the next edit should
    /// start from the same, already inverted face.
    pub fn reselect_layer(&self) {
        self.select_layer(self.drawable);
    }

    /// Selects one layer.
    pub(super) fn select_layer(&self, layer: Drawable) {
        let layers: [Option<Drawable>; 2] = [Some(layer), None];
        // SAFETY: a NULL-terminated array of one layer, which lives until the call returns.
        unsafe { (self.gimp.functions().gimp_image_set_selected_layers)(self.image, layers.as_ptr()) };
    }

    fn insert_above(&self, layer: Layer) {
        let (gimp, item) = (self.gimp.functions(), self.drawable.item());
        // SAFETY: the handles are alive.
        unsafe {
            let position = (gimp.gimp_image_get_item_position)(self.image, item);
            (gimp.gimp_image_insert_layer)(self.image, layer, (gimp.gimp_item_get_parent)(item), position);
        }
    }
}

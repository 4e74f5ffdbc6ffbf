//! Reads the selected layer and the selection.

use super::handles::Rect;
use super::procedure::Call;
use crate::error::{Error, Result};
use crate::pixels::{InputLayer, RgbaBuffer};
use ndarray::Array2;

impl Call {
    /// Reads the selected layer and the image's selection.
    ///
    /// # Errors
    /// The drawable is not a layer, or is larger than gani's limits.
    pub fn read_layer(&self) -> Result<InputLayer> {
        let gimp = self.gimp.functions();
        let item = self.drawable.item();
        let name = self.layer_name(item);
        // SAFETY: the drawable is alive while its procedure runs.
        let (is_layer, width, height) = unsafe {
            (
                (gimp.gimp_item_is_layer)(item) != 0,
                (gimp.gimp_drawable_get_width)(self.drawable),
                (gimp.gimp_drawable_get_height)(self.drawable),
            )
        };
        if !is_layer {
            return Err(Error::Failed(format!(
                "“{name}” is not a layer. Select the layer with the face, not a mask or channel."
            )));
        }
        let name = format!("the layer “{name}”");
        let size = [width, height].map(|side| u32::try_from(side).unwrap_or(0));
        let mut pixels = RgbaBuffer::new(&name, size[0], size[1], self.depth()?)?;
        pixels.color = self.color()?;
        let format = self.rgba_format(self.drawable, pixels.depth())?;
        self.buffer(self.drawable)?.read(Rect { x: 0, y: 0, width, height }, format, pixels.bytes_mut());
        Ok(InputLayer { name, pixels, selection: self.read_selection(size)? })
    }

    /// The selection in the coordinates of the selected layer, which has this width and height.
    fn read_selection(&self, [width, height]: [u32; 2]) -> Result<Option<Array2<u8>>> {
        let gimp = self.gimp.functions();
        // SAFETY: the image is alive while the procedure runs.
        let channel = unsafe {
            if (gimp.gimp_selection_is_empty)(self.image) != 0 {
                return Ok(None);
            }
            (gimp.gimp_image_get_selection)(self.image).ok_or_else(|| Error::missing("selection"))?
        };
        let format = self.format(c"Y u8", channel)?;
        let [x, y] = self.layer_offset();
        let mut mask = Array2::zeros((height as usize, width as usize));
        if let Some(bytes) = mask.as_slice_mut() {
            let rect = Rect { x, y, width: width as i32, height: height as i32 };
            self.buffer(channel)?.read(rect, format, bytes);
        }
        Ok(Some(mask))
    }

    /// The position of the selected layer's first column and row in the image.
    pub(super) fn layer_offset(&self) -> [i32; 2] {
        let (mut x, mut y) = (0, 0);
        // SAFETY: the drawable is alive; the out pointers point to locals.
        unsafe { (self.gimp.functions().gimp_drawable_get_offsets)(self.drawable, &mut x, &mut y) };
        [x, y]
    }
}

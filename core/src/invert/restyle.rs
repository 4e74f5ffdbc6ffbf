//! ReStyle (Alaluf et al. 2021, Eq. 2 and 3): the encoder sees the photo beside what its last latent gave, and says what
//! to add to that latent.

use crate::edit::Generator;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView4, Axis, concatenate};

/// Iterations, as published.
const STEPS: usize = 5;

/// The latent `[n,512]` of `crop` `[1,3,h,w]` in `[-1,1]`, from the mean latent on.
///
/// # Errors
/// [`Error::Unsupported`] where the bundle's encoder does not take an image and a result: six channels.
pub fn restyle(model: &Model, crop: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Array2<f32>> {
    let refuse = |what: &str| {
        Err(Error::Unsupported(format!(
            "ReStyle feeds the encoder with the photo and its own last result, six channels; the model `{}` {what}: \
             use the method encoder",
            model.bundle.name()
        )))
    };
    let Some(encoder) = model.bundle.encoder()? else { return refuse("has no encoder") };
    let (h, w) = match *encoder.input_shape("image")? {
        [_, 6, h, w] => (h, w),
        ref shape => return refuse(&format!("has an encoder for images {shape:?}")),
    };
    let encoder = model.runtime.compile("encoder", &encoder)?;
    let generator = Generator::untuned(model)?;
    let photo = resize(crop, h, w);
    let mut ws = model.broadcast(&model.bundle.w_avg()?.into_dyn())?;
    for _ in 0..STEPS {
        let result = resize(generator.image(ws.view(), cancel)?.view(), h, w); // y_t = G(w_t)
        let pair = concatenate(Axis(1), &[photo.view(), result.view()])
            .map_err(|e| Error::Model(format!("the encoder's input: {e}")))?;
        let outputs = encoder.run(&[("image", pair.view().into_dyn())], cancel)?;
        let change = outputs.first().ok_or_else(|| Error::Model("the encoder has no output".into()))?;
        ws += &model.broadcast(change)?; // w_{t+1} = w_t + E(x, y_t)
    }
    Ok(ws)
}

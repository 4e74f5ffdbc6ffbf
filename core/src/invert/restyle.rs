//! ReStyle (Alaluf et al. 2021, Eq. 2 and 3): the encoder takes the photo concatenated with the current reconstruction, and predicts
//! a residual for the latent.

use crate::edit::Generator;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView4, Axis, concatenate};

/// Iterations, as published.
const STEPS: usize = 5;

/// The latent `[n,512]` of `crop` `[1,3,h,w]` in `[-1,1]`, starting at the mean latent.
///
/// # Errors
/// [`Error::Unsupported`] unless the bundle's encoder has six input channels.
pub fn restyle(model: &Model, crop: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Array2<f32>> {
    let refuse = |what: &str| {
        Err(Error::Unsupported(format!(
            "ReStyle needs an encoder with six input channels, the photo and the current reconstruction; the model `{}` {what}. \
             Use another method, such as direct",
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

//! The loss curve: the terms of the loss over the steps, on a logarithmic scale.

use image::RgbImage;

use super::draw::{self, Colour, Hold};
use super::font::Line;
use super::{INK, WHITE};

const SIZE: (u32, u32) = (1200, 720);
/// The plot's edges in pixels: left, top, right, bottom.
const PLOT: [f32; 4] = [104.0, 116.0, 1164.0, 648.0];
const GRID: Colour = [226, 226, 226];
const FAINT: Colour = [243, 243, 243];
const GREY: Colour = [110, 110, 110];
/// Colours that stay apart for colour-blind eyes; lines beyond them begin again.
const COLOURS: [Colour; 7] = [
    [0, 98, 174],
    [222, 110, 0],
    [0, 142, 108],
    [196, 52, 98],
    [122, 82, 168],
    [70, 160, 214],
    [120, 120, 120],
];

/// Draws the terms of a loss, `(name, one value per step)`, under a title and a legend; 1200×720 pixels.
///
/// Long runs are noisy: their values are drawn pale, with a running (geometric) mean over them. Values that are not finite or not above zero have no place on a logarithmic scale:
/// they leave a gap.
pub fn loss_curve(title: &str, lines: &[(&str, &[f64])]) -> RgbImage {
    let mut image = RgbImage::from_pixel(SIZE.0, SIZE.1, WHITE);
    let [left, top, right, bottom] = PLOT;
    draw::text(&mut image, title, [left, 32.0], 20.0, Hold::Left, INK);
    let steps = lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let shown =
        || lines.iter().flat_map(|(_, values)| values.iter()).copied().filter(|value| drawable(*value));
    let (low, high) = (shown().fold(f64::INFINITY, f64::min), shown().fold(0.0, f64::max));
    if low > high {
        let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
        draw::text(&mut image, "no values to show", middle, 16.0, Hold::Middle, GREY);
        return image;
    }
    // Half a tenth of the range stays free above and below, and a flat line still gets an axis.
    let (low, high) = (low.log10(), high.log10());
    let room = ((high - low) * 0.05).max(0.05);
    let (low, high) = (low - room, high + room);
    let y = |value: f64| bottom - ((value.log10() - low) / (high - low)) as f32 * (bottom - top);
    let last = steps.saturating_sub(1).max(1) as f64;
    let x = |step: f64| left + (step / last) as f32 * (right - left);

    grid_values(&mut image, low, high, y);
    grid_steps(&mut image, last, x);
    let mut smooth = Vec::new();
    for (index, (_, values)) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let reach = values.len() / 50;
        if reach > 0 {
            let pale = colour.map(|value| 255 - (255 - value) / 3);
            draw::stroke(&mut image, &unbroken(values, x, y), 1.2, pale);
        }
        smooth.push((unbroken(&running_mean(values, reach), x, y), colour));
    }
    for (line, colour) in smooth {
        draw::stroke(&mut image, &line, 2.4, colour);
    }
    legend(&mut image, lines);
    image
}

fn drawable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// At each step the geometric mean of the drawable values up to `reach` steps away; gaps stay gaps. Towards the ends
/// the reach shrinks, so that it is the same on both sides and a falling line does not bend.
fn running_mean(values: &[f64], reach: usize) -> Vec<f64> {
    let mean = |step: usize| {
        let reach = reach.min(step).min(values.len() - 1 - step);
        let near = &values[step - reach..=step + reach];
        let logs: Vec<f64> = near.iter().filter(|value| drawable(**value)).map(|value| value.ln()).collect();
        (logs.iter().sum::<f64>() / logs.len() as f64).exp()
    };
    values.iter().enumerate().map(|(step, &value)| if drawable(value) { mean(step) } else { value }).collect()
}

/// The stretches of drawable values; a single one becomes a dot.
fn unbroken(values: &[f64], x: impl Fn(f64) -> f32, y: impl Fn(f64) -> f32) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    for (step, &value) in values.iter().enumerate() {
        match lines.last_mut() {
            Some(line) if drawable(value) => line.push([x(step as f64), y(value)]),
            _ => lines.push(Line::new()),
        }
    }
    for line in &mut lines {
        if let &[dot] = line.as_slice() {
            line.push(dot);
        }
    }
    lines
}

/// Horizontal lines: at all digits times the powers of ten, over many decades at some of the powers only.
fn grid_values(image: &mut RgbImage, low: f64, high: f64, y: impl Fn(f64) -> f32) {
    let [left, _, right, _] = PLOT;
    let apart = ((high - low) / 10.0).ceil().max(1.0);
    for decade in (low.floor() as i32..=high.ceil() as i32).step_by(apart as usize) {
        for factor in 1..if apart > 1.0 { 2 } else { 10 } {
            let value = f64::from(factor) * 10f64.powi(decade);
            if value.log10() < low || value.log10() > high {
                continue;
            }
            let labelled = factor == 1 || (high - low < 3.5 && [2, 5].contains(&factor));
            let height = y(value);
            let colour = if labelled { GRID } else { FAINT };
            draw::stroke(image, &[vec![[left, height], [right, height]]], 1.0, colour);
            if labelled {
                draw::text(image, &number(value), [left - 14.0, height - 6.0], 12.0, Hold::Right, GREY);
            }
        }
    }
}

/// Vertical lines at round steps, at most eleven.
fn grid_steps(image: &mut RgbImage, last: f64, x: impl Fn(f64) -> f32) {
    let [left, top, right, bottom] = PLOT;
    let apart = [1.0, 2.0, 5.0]
        .iter()
        .flat_map(|factor| (0..9).map(move |power| factor * 10f64.powi(power)))
        .filter(|apart| last / apart <= 10.0)
        .fold(f64::INFINITY, f64::min);
    for index in 0..=(last / apart) as usize {
        let step = index as f64 * apart;
        draw::stroke(image, &[vec![[x(step), top], [x(step), bottom]]], 1.0, GRID);
        draw::text(image, &number(step), [x(step), bottom + 16.0], 12.0, Hold::Middle, GREY);
    }
    draw::stroke(image, &[vec![[left, top], [left, bottom], [right, bottom]]], 1.5, GREY);
    draw::text(image, "step", [(left + right) / 2.0, bottom + 42.0], 13.0, Hold::Middle, INK);
}

/// One row: a piece of each line and its name.
fn legend(image: &mut RgbImage, lines: &[(&str, &[f64])]) {
    let [left, top, right, _] = PLOT;
    let width: f32 = lines.iter().map(|(name, _)| draw::text_width(name, 14.0) + 66.0).sum();
    let scale = ((right - left) / width.max(1.0)).min(1.0);
    let (mut x, y) = (left, top - 34.0);
    for (index, (name, _)) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        draw::stroke(image, &[vec![[x, y], [x + 26.0 * scale, y]]], 4.0 * scale, colour);
        draw::text(image, name, [x + 36.0 * scale, y - 7.0 * scale], 14.0 * scale, Hold::Left, INK);
        x += (draw::text_width(name, 14.0) + 66.0) * scale;
    }
}

/// Plain digits where they are short, else a power of ten.
fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value) {
        // Rounded away: what adding and multiplying tenths leaves behind.
        format!("{}", (value * 1e6).round() / 1e6)
    } else {
        format!("{value:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.2, "0.2"), (5e-4, "0.0005"), (2e-5, "2e-5"), (300.0, "300"), (1e7, "1e7")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn the_running_mean_is_geometric_and_keeps_gaps() {
        let mean = running_mean(&[1.0, 100.0, 0.0, 10.0, 0.1, 1.0], 1);
        for (found, expected) in mean.into_iter().zip([1.0, 10.0, 0.0, 1.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn gaps_split_a_line() {
        let lines = unbroken(&[1.0, 2.0, f64::NAN, 3.0, 0.0], |x| x as f32, |y| y as f32);
        let lengths: Vec<usize> = lines.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 0]);
    }

    #[test]
    fn any_values_make_a_picture() {
        let blank = loss_curve("nothing", &[]);
        assert_eq!(blank.dimensions(), SIZE);
        for values in [vec![], vec![0.0, -1.0, f64::INFINITY], vec![1.0], vec![2.0; 5], vec![1e-300, 1e300]] {
            assert_eq!(loss_curve("t", &[("a", &values)]).dimensions(), SIZE);
        }
    }
}

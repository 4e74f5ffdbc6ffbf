//! Outlines of a face or a feature as soft masks.

use super::grid::Grid;

/// An ellipse where FFHQ's alignment puts a face: center and radii as fractions of the crop's side.
const FACE_CENTER: [f64; 2] = [0.5, 0.58];
const FACE_RADII: [f64; 2] = [0.28, 0.35];

/// The outline of an average face in an aligned crop, in `[0,1]²`.
pub(super) fn average_face() -> Vec<[f64; 2]> {
    let corner = |i: u32| {
        let (sin, cos) = (f64::from(i) / 32.0 * std::f64::consts::TAU).sin_cos();
        [FACE_CENTER[0] + FACE_RADII[0] * cos, FACE_CENTER[1] + FACE_RADII[1] * sin]
    };
    (0..32).map(corner).collect()
}

/// 1 inside the convex hull of `points` dilated by `margin`, falling smoothly to 0 over the distance `ramp`. All lengths are
/// fractions of the crop's side.
pub(super) fn hull_mask(side: usize, points: &[[f64; 2]], margin: f64, ramp: f64) -> Grid<1> {
    let hull = convex_hull(points);
    Grid::from_fn(side, |point| {
        let outside = signed_distance(&hull, point) - margin;
        let t = (1.0 - outside / ramp).clamp(0.0, 1.0);
        [(t * t * (3.0 - 2.0 * t)) as f32]
    })
}

/// Distance from a convex polygon, negative inside. Outside near a corner, the distance from the nearest edge's line.
fn signed_distance(hull: &[[f64; 2]], [x, y]: [f64; 2]) -> f64 {
    let edges = hull.iter().zip(hull.iter().cycle().skip(1));
    let distance = |(a, b): (&[f64; 2], &[f64; 2])| {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        (dy * (x - a[0]) - dx * (y - a[1])) / dx.hypot(dy).max(1e-12)
    };
    edges.map(distance).fold(f64::NEG_INFINITY, f64::max)
}

/// The convex hull, with positive orientation (Andrew's monotone chain). Points that are not finite are ignored.
fn convex_hull(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> =
        points.iter().copied().filter(|p| p.iter().all(|v| v.is_finite())).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let mut hull: Vec<[f64; 2]> = Vec::new();
    let reversed: Vec<[f64; 2]> = points.iter().rev().copied().collect();
    for half in [points, reversed] {
        let start = hull.len();
        for p in half {
            while let [.., a, b] = &hull[start..]
                && (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) <= 0.0
            {
                hull.pop();
            }
            hull.push(p);
        }
        hull.pop();
    }
    hull
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hull_mask_is_one_inside_and_zero_beyond_its_ramp() {
        let points = [[0.3, 0.3], [0.7, 0.3], [0.5, 0.4], [0.7, 0.7], [0.3, 0.7], [f64::NAN, 0.0]];
        assert_eq!(convex_hull(&points).len(), 4);
        let mask = hull_mask(100, &points, 0.05, 0.1);
        let at = |x: f64, y: f64| mask.sample([x, y])[0];
        assert_eq!([at(0.5, 0.5), at(0.27, 0.5), at(0.1, 0.5), at(0.5, 0.9)], [1.0, 1.0, 0.0, 0.0]);
        assert!((0.2..0.8).contains(&at(0.2, 0.5)));
        let face = hull_mask(64, &average_face(), 0.0, 0.05);
        assert_eq!([face.sample([0.5, 0.5])[0], face.sample([0.05, 0.5])[0]], [1.0, 0.0]);
    }
}

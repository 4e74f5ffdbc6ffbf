//! Orientation of a head, from its landmarks.

use super::landmarks::Landmarks;

/// The face's left and right edge in the picture, level with the ears.
const EDGES: [usize; 2] = [234, 454];
/// The top of the forehead and the chin.
const HEIGHT: [usize; 2] = [10, 152];

/// Orientation of a head in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadPose {
    /// Rotation about the vertical axis.
    pub yaw: f64,
    /// Rotation about the horizontal axis.
    pub pitch: f64,
    /// Rotation in the picture.
    pub roll: f64,
}

impl Landmarks {
    /// The head's pose: yaw from the depths of the face's edges, pitch from those of forehead and chin, roll from the edges' height.
    pub fn pose(&self) -> HeadPose {
        let between = |[a, b]: [usize; 2]| [0, 1, 2].map(|axis| self.points[b][axis] - self.points[a][axis]);
        let (across, down) = (between(EDGES), between(HEIGHT));
        HeadPose {
            yaw: across[2].atan2(across[0]).to_degrees(),
            pitch: down[2].atan2(down[1]).to_degrees(),
            roll: across[1].atan2(across[0]).to_degrees(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pose_is_the_rotation_of_the_points() {
        let mut points = vec![[0.0; 3]; 468];
        let (sin, cos) = 20.0_f64.to_radians().sin_cos();
        points[EDGES[1]] = [cos, 0.0, sin];
        points[HEIGHT[1]] = [0.0, 3.0, 0.0];
        let pose = Landmarks { points, presence: 1.0 }.pose();
        assert!((pose.yaw - 20.0).abs() < 1e-9 && pose.pitch == 0.0 && pose.roll == 0.0, "{pose:?}");
    }
}

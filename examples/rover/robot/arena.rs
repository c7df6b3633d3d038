//! The place: walls, pillars, a swing gate, and the way points round them.

use super::geometry::{Point, Pose};
use rapier2d::prelude::{
    ColliderBuilder, ColliderHandle, MotorModel, PhysicsWorld, RevoluteJointBuilder, RigidBodyBuilder, Vector,
};
use std::f32::consts::FRAC_PI_2;

/// Where the rover stands at first, on the last leg of the course.
pub(crate) const START: Pose = Pose { x: -0.8, y: -0.75, heading: 0.0 };

/// The course, to be visited in this order, again and again. About 7 m a lap.
pub(crate) const WAY_POINTS: [Point; 9] = [
    [0.0, -0.75],
    // Behind the gate.
    [0.9, -0.75],
    [1.4, -0.1],
    [0.9, 0.6],
    // Below the first pillar, above the second.
    [0.3, 0.35],
    [-0.3, 0.8],
    [-0.9, 0.6],
    [-1.4, -0.1],
    [-0.8, -0.75],
];

/// Static boxes: centre and half size, m. Four walls, and an island in the middle.
const BOXES: [(Point, Point); 5] = [
    ([0.0, 1.3], [2.1, 0.05]),
    ([0.0, -1.3], [2.1, 0.05]),
    ([-2.05, 0.0], [0.05, 1.3]),
    ([2.05, 0.0], [0.05, 1.3]),
    ([0.0, -0.15], [0.7, 0.1]),
];
/// Static pillars: centre, m.
const PILLARS: [Point; 2] = [[0.3, 0.8], [-0.3, 0.3]];
const PILLAR_RADIUS: f32 = 0.08;

/// The gate's hinge, at the lower wall; from there it bars the way, and opens both ways.
const HINGE: Vector = Vector::new(0.45, -1.2);
/// From the hinge to the gate's free end, m.
const GATE_LENGTH: f32 = 0.65;
const GATE_HALF_WIDTH: f32 = 0.015;
/// kg
const GATE_MASS: f32 = 0.3;
/// The spring that shuts it, N·m/rad.
const GATE_STIFFNESS: f32 = 0.4;
/// N·m per rad/s
const GATE_DAMPING: f32 = 0.08;
/// Of the rover's painted sides against wood: no rubber.
pub(crate) const FRICTION: f32 = 0.2;

fn vector([x, y]: Point) -> Vector {
    Vector::new(x as f32, y as f32)
}

/// Puts everything that does not move by itself into the world; returns the gate.
pub(crate) fn build(world: &mut PhysicsWorld) -> ColliderHandle {
    for (centre, half) in BOXES {
        let half = vector(half);
        let wall = ColliderBuilder::cuboid(half.x, half.y).translation(vector(centre)).friction(FRICTION);
        world.insert_collider(wall, None);
    }
    for centre in PILLARS {
        let pillar = ColliderBuilder::ball(PILLAR_RADIUS).translation(vector(centre)).friction(FRICTION);
        world.insert_collider(pillar, None);
    }
    build_gate(world)
}

fn build_gate(world: &mut PhysicsWorld) -> ColliderHandle {
    let post = world.insert_body(RigidBodyBuilder::fixed().translation(HINGE));
    // The leaf's own x axis runs from hinge to free end.
    let leaf = RigidBodyBuilder::dynamic().translation(HINGE).rotation(FRAC_PI_2).can_sleep(false);
    let leaf = world.insert_body(leaf);
    let wood = ColliderBuilder::cuboid(GATE_LENGTH / 2.0, GATE_HALF_WIDTH)
        .translation(Vector::new(GATE_LENGTH / 2.0, 0.0))
        .friction(FRICTION)
        .mass(GATE_MASS);
    let wood = world.insert_collider(wood, Some(leaf));
    let hinge = RevoluteJointBuilder::new().contacts_enabled(false).motor_model(MotorModel::ForceBased).motor_position(
        FRAC_PI_2,
        GATE_STIFFNESS,
        GATE_DAMPING,
    );
    world.insert_impulse_joint(post, leaf, hinge);
    wood
}

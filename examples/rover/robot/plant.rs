//! The real world, as far as the rover is concerned: a rapier2d world seen from above, and in it a chassis on two driven
//! wheels and a free castor. "Plant" is what control engineers call the thing that is controlled.

use super::arena;
use super::drawing::{MOTOR_CONSTANT, RADIANS_PER_COUNT, SUPPLY, TRACK, WHEEL_RADIUS};
use super::geometry::{Pose, Side, Wheels};
use polycephaly::prelude::*;
use rapier2d::prelude::{
    ColliderBuilder, ColliderHandle, PhysicsWorld, RigidBody, RigidBodyBuilder, RigidBodyHandle, Vector,
};

/// One step of the engine, s.
pub(crate) const STEP: f64 = 0.001;

/// Mass of the rover, kg.
const MASS: f64 = 5.0;
/// Half the chassis's length and width, m, rounded corners of this radius included.
const HALF_SIZE: [f32; 2] = [0.16, 0.13];
const CORNER_RADIUS: f32 = 0.03;
/// What one driven wheel carries, N; the castor carries the rest.
const WHEEL_LOAD: f64 = 0.4 * MASS * 9.81;
/// Rubber on a workshop floor.
const GRIP: f64 = 0.8;
/// How a tyre's force grows with the speed it slips at, N per m/s, before the grip limits it.
const TYRE_STIFFNESS: f64 = 100.0;
/// Wheel, gear and rotor as felt at the wheel, kg·m².
const WHEEL_INERTIA: f64 = 8e-4;
/// Resistance of the winding, Ω: 1.5 N·m at standstill under full voltage.
const WINDING: f64 = 3.2;
/// Friction of the gear: constant, N·m, and growing with speed, N·m per rad/s.
const GEAR_FRICTION: f64 = 0.05;
const GEAR_DAMPING: f64 = 0.002;
/// Below this speed, rad/s, the constant friction fades to zero, as grease does.
const FRICTION_FADE: f64 = 0.2;

#[derive(Clone, Copy, Default)]
struct Wheel {
    /// rad/s
    speed: f64,
    /// rad, since the start.
    angle: f64,
}

/// Topic: what goes on in the real world. For sensors, who show it with their own faults, and for those who watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    /// The world's own time, s.
    pub(crate) time: f64,
    /// Where the rover really is.
    pub(crate) pose: Pose,
    /// How fast it really goes, m/s.
    pub(crate) speed: f64,
    /// How fast it really turns, rad/s.
    pub(crate) turn_rate: f64,
    /// The encoders' counters.
    pub(crate) counts: Wheels<i64>,
    /// How often the rover has pushed the gate.
    pub(crate) pushes: u32,
    /// How often it has bumped into anything else.
    pub(crate) bumps: u32,
}

/// The rover's body and surroundings. Each life publishes the [`Truth`].
#[derive(Component)]
pub(crate) struct Plant {
    world: PhysicsWorld,
    chassis: RigidBodyHandle,
    shell: ColliderHandle,
    gate: ColliderHandle,
    wheels: Wheels<Wheel>,
    steps: u64,
    /// What the shell touches at present: gate, anything else.
    touching: [bool; 2],
    pushes: u32,
    bumps: u32,
}

impl Plant {
    pub(crate) fn new() -> Self {
        let mut world = PhysicsWorld::new();
        world.gravity = Vector::new(0.0, 0.0); // seen from above
        world.integration_parameters.dt = STEP as f32;
        let gate = arena::build(&mut world);
        let start = arena::START;
        let chassis = RigidBodyBuilder::dynamic()
            .translation(Vector::new(start.x as f32, start.y as f32))
            .rotation(start.heading as f32)
            .can_sleep(false);
        let [half_length, half_width] = HALF_SIZE.map(|half| half - CORNER_RADIUS);
        let shell = ColliderBuilder::round_cuboid(half_length, half_width, CORNER_RADIUS)
            .mass(MASS as f32)
            .friction(arena::FRICTION);
        let (chassis, shell) = world.insert(chassis, shell);
        let wheels = Wheels::default();
        Self { world, chassis, shell, gate, wheels, steps: 0, touching: [false; 2], pushes: 0, bumps: 0 }
    }

    /// A millisecond passes, with these voltages at the motors.
    pub(crate) fn step(&mut self, voltage: Wheels<f64>) {
        let body = &mut self.world.bodies[self.chassis];
        body.reset_forces(true);
        body.reset_torques(true);
        for (side, offset) in [(Side::Left, TRACK / 2.0), (Side::Right, -TRACK / 2.0)] {
            roll(body, self.wheels.side_mut(side), offset, *voltage.side(side));
        }
        self.world.step();
        self.steps += 1;
        self.count_touches();
    }

    fn count_touches(&mut self) {
        let mut touching = [false; 2];
        for pair in self.world.contact_pairs_with(self.shell).filter(|pair| pair.has_any_active_contact()) {
            let gate = pair.collider1 == self.gate || pair.collider2 == self.gate;
            touching[usize::from(!gate)] = true;
        }
        self.pushes += u32::from(touching[0] && !self.touching[0]);
        self.bumps += u32::from(touching[1] && !self.touching[1]);
        self.touching = touching;
    }

    fn body(&self) -> &RigidBody {
        &self.world.bodies[self.chassis]
    }

    /// The encoder's counter of one wheel.
    pub(crate) fn counts(&self, side: Side) -> i64 {
        (self.wheels.side(side).angle / RADIANS_PER_COUNT).floor() as i64
    }

    fn truth(&self) -> Truth {
        let (body, position) = (self.body(), self.body().translation());
        let heading = body.rotation().angle();
        Truth {
            time: self.steps as f64 * STEP,
            pose: Pose { x: position.x.into(), y: position.y.into(), heading: heading.into() },
            speed: body.linvel().length().into(),
            turn_rate: body.angvel().into(),
            counts: Wheels { left: self.counts(Side::Left), right: self.counts(Side::Right) },
            pushes: self.pushes,
            bumps: self.bumps,
        }
    }
}

impl Process for Plant {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        cx.publish(self.truth());
        Ok(())
    }
}

/// One wheel for one step: the motor's torque on it, and the tyre's force on the chassis.
fn roll(body: &mut RigidBody, wheel: &mut Wheel, offset: f64, voltage: f64) {
    let voltage = voltage.clamp(-SUPPLY, SUPPLY);
    let current = (voltage - MOTOR_CONSTANT * wheel.speed) / WINDING;
    let friction = GEAR_FRICTION * (wheel.speed / FRICTION_FADE).tanh() + GEAR_DAMPING * wheel.speed;
    let torque = MOTOR_CONSTANT * current - friction;

    let ahead = body.rotation().transform_vector(Vector::X);
    let left = body.rotation().transform_vector(Vector::Y);
    let contact = body.translation() + left * offset as f32;
    let velocity = body.velocity_at_point(contact);
    let slip = wheel.speed * WHEEL_RADIUS - f64::from(velocity.dot(ahead));
    let skid = -f64::from(velocity.dot(left));
    // The force points against the slip, and its size is limited whatever its direction: the circle of friction.
    let slipping = slip.hypot(skid).max(1e-9);
    let limit = GRIP * WHEEL_LOAD;
    let force = limit * (TYRE_STIFFNESS * slipping / limit).tanh() / slipping;
    let (traction, side_force) = (force * slip, force * skid);

    body.add_force_at_point(ahead * traction as f32 + left * side_force as f32, contact, true);
    wheel.speed += (torque - traction * WHEEL_RADIUS) / WHEEL_INERTIA * STEP;
    wheel.angle += wheel.speed * STEP;
}

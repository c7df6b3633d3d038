//! What Copper's macros ask of a build: where the texts of its log go.

fn main() {
    cu29_build::setup();
}

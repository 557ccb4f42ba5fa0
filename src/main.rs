fn main() {
    for s in invnet::samples::samples() {
        for o in invnet::gradcheck::check(s.name, &s.inputs, s.build).unwrap() {
            println!("{:24} {} {:.2e} {}", o.name, o.order, o.error, if o.holds() {"ok"} else {"MISS"});
        }
    }
}

"""What others do, one function each: (place, *short names). A story names them, so that it is JSON."""

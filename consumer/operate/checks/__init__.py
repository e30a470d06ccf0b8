"""What ``skureel doctor`` looks at, one module a part. Looks change nothing that stays; their caller bounds them."""

package main

func Example() {
	main()
	// Output: greeter says hello
}

// Writ is a messaging service that anyone can run, end-to-end encrypted, with the office built in that answers governments.
package main

func main() {}

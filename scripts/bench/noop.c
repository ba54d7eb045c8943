/* A static program that does nothing: what it costs to start and end any process here. */
int main(void) { return 0; }

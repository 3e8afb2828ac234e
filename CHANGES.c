- `net.to_c(folder)` writes a network as plain C99: one source file with the weights, a header, and a
  program that tests both. It computes single steps and sequences of any network that `net.stepper`
  runs step by step, but encoder-decoders; cells, activations and layers of your own go, too. No
  dependency but the C library, no allocation; loops become vectors by `-O3 -march=native`.

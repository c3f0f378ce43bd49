-- What is switched off, which is little, is found without reading everything.
CREATE INDEX k_state ON stobj (state, id) WHERE state = 1;

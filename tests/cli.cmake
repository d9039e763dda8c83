# The command line, as its users see it.  Under a sanitizer fewer callers and smaller outputs make the same points.
add_test(NAME cli COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli.sh $<TARGET_FILE:covey_cli>)
set_tests_properties(cli PROPERTIES TIMEOUT 300)
if(COVEY_SANITIZE)
  set_tests_properties(cli PROPERTIES ENVIRONMENT "COVEY_CLI_CALLERS=40;COVEY_CLI_LARGE=20000000")
endif()
